"""Third-party JavaScript for the site, out of Python packages: nothing of it is kept in this repository."""

from integrator.site.vendor.libraries import Kind, Library, library, vendored, vendored_assets

__all__ = ["Kind", "Library", "library", "vendored", "vendored_assets"]
