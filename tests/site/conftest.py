"""What the tests of the site share: a browser for each worker, and sites that are built once in a session.

`window` is the browser, cleared before each test and asked afterwards whether anything went wrong. The sites
are folders: `sample_site` (three machines, every way to end), `lab_site` (25 machines × 50 models, three
campaigns), `hostile_site` (texts that mean ill), `edge_sites` (by name: campaigns with next to nothing).
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from selenium import webdriver

from integrator.site.build import build_site
from tests.site import browser, edges, sample, synthetic


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if missing := browser.missing_programs():
        pytest.skip(f"Chromium and chromedriver are not installed: no {missing}")
    chromium = browser.start(tmp_path_factory.mktemp("profile"))
    try:
        yield chromium
    finally:
        chromium.quit()


@pytest.fixture
def tolerated() -> list[str]:
    """A test that breaks something on purpose adds words of the faults that it expects."""
    return []


@pytest.fixture
def window(driver: webdriver.Chrome, tolerated: list[str]) -> Iterator[webdriver.Chrome]:
    """The browser at a desktop's width, with scripts, without network; the console must stay empty."""
    browser.clear(driver)
    yield driver
    assert [fault for fault in browser.faults(driver) if not any(word in fault for word in tolerated)] == []


@pytest.fixture
def downloads(driver: webdriver.Chrome, tmp_path: Path) -> Path:
    """A new folder, into which the browser puts what is downloaded in this test."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    browser.download_to(driver, folder)
    return folder


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """`once(name, build)` is a folder that `build` has filled, for all workers of this session together."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def folder(name: str, build: Callable[[Path], object]) -> Path:
        target = shared / f"built-{name}"
        with (shared / f"built-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (target / ".whole").exists():
                target.mkdir(exist_ok=True)
                build(target)
                (target / ".whole").touch()
        return target

    return folder


@pytest.fixture(scope="session")
def sample_site(once: Once) -> Path:
    return once("sample", sample.build_sample) / "site"


@pytest.fixture(scope="session")
def lab_site(once: Once) -> Path:
    def build(folder: Path) -> None:
        build_site(folder / "site", [synthetic.lab(rows=2500, campaign=number) for number in range(3)])

    return once("lab", build) / "site"


@pytest.fixture(scope="session")
def hostile_site(once: Once) -> Path:
    return once("hostile", lambda folder: build_site(folder / "site", [edges.hostile()])) / "site"


@pytest.fixture(scope="session")
def edge_sites(once: Once) -> Mapping[str, Path]:
    def build(folder: Path) -> None:
        for name, campaigns in edges.edges().items():
            build_site(folder / name, campaigns)

    folder = once("edges", build)
    return {name: folder / name for name in edges.edges()}
