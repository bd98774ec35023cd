"""A module for each kind of page: `pages(site)` gives those of its kind."""

from collections.abc import Callable, Iterable

from integrator.site.page import Page, Site
from integrator.site.pages import compare, explore, history, index, machine, method, model

__all__ = ["NAVIGATION", "PAGES"]

PAGES: tuple[Callable[[Site], Iterable[Page]], ...] = (
    index.pages,
    explore.pages,
    compare.pages,
    machine.pages,
    model.pages,
    history.pages,
    method.pages,
)

NAVIGATION = (
    ("index", "index.html", "Answers"),
    ("explore", "explore.html", "Explore"),
    ("compare", "compare.html", "Compare"),
    ("machines", "machines.html", "Machines"),
    ("models", "models.html", "Models"),
    ("history", "history.html", "History"),
    ("method", "method.html", "Method"),
    ("data", "data/index.html", "Data"),
)
"""What every page leads to: the key that a page names as its own, the path, and the words."""
