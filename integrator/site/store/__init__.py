"""The rows of a campaign, packed for the browser: compressed columns in classic scripts.

`pack` writes them, `templates/js/store.js` reads them; docs/formats.md describes what lies between.
"""
