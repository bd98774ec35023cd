"""Chromium for the tests of the site: how it is started, and what it is told and asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
)
DESKTOP, PHONE = 1440, 390


def missing_programs() -> str:
    """What is not installed of what the tests need; empty: nothing."""
    return " and ".join(str(path) for path in (CHROMIUM, DRIVER) if not path.exists())


def start(profile: Path, *more: str) -> webdriver.Chrome:
    """A browser with a new profile, without network, whose console and requests are written down."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*FLAGS, *more, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The path is given, so Selenium neither looks for a driver nor counts its use.
    driver = webdriver.Chrome(options=options, service=Service(executable_path=str(DRIVER)))
    driver.execute_cdp_cmd("Network.enable", {})
    network(driver, on=False)
    return driver


def clear(driver: webdriver.Chrome) -> None:
    """An empty page at a desktop's width, with scripts and without network; the logs are empty too."""
    resize(driver, DESKTOP)
    scripts(driver, on=True)
    media(driver)
    network(driver, on=False)
    driver.get("about:blank")
    for log in ("browser", "performance"):
        driver.get_log(log)  # type: ignore[no-untyped-call]


def travel(driver: webdriver.Chrome, steps: int) -> None:
    """Back (negative) or forward within the page's addresses; until the page has been told."""
    driver.execute_async_script(
        """
        const [steps, done] = arguments;
        addEventListener('popstate', () => setTimeout(done), { once: true });
        history.go(steps);
        """,
        steps,
    )


def resize(driver: webdriver.Chrome, width: int, height: int = 900) -> None:
    """A window of so many pixels; a phone where it is narrow."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def scripts(driver: webdriver.Chrome, *, on: bool) -> None:
    """Whether the pages that are opened from now on may run scripts; the test's own still run."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})


def media(driver: webdriver.Chrome, *, kind: str = "", colours: str = "") -> None:
    """`kind`: "print", or empty for the screen; `colours`: "light", "dark", or empty for the system's."""
    features = [{"name": "prefers-color-scheme", "value": colours}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


def network(driver: webdriver.Chrome, *, on: bool) -> None:
    """Without network there are files alone."""
    speed = {"offline": not on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", speed)


def download_to(driver: webdriver.Chrome, folder: Path) -> None:
    """Where files that a page makes are put, without asking."""
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder.resolve())}
    )


def events(driver: webdriver.Chrome) -> list[dict[str, Any]]:
    """What the network did since this was last asked: DevTools events with `method` and `params`."""
    return [json.loads(each["message"])["message"] for each in driver.get_log("performance")]  # type: ignore[no-untyped-call]


def requested(of: list[dict[str, Any]]) -> set[str]:
    """The addresses that were asked for."""
    return {each["params"]["request"]["url"] for each in of if each["method"] == "Network.requestWillBeSent"}


def faults(driver: webdriver.Chrome) -> list[str]:
    """What went wrong since the last `clear`: every line of the console, and every request that failed."""
    console = [f"console: {each['message']}" for each in driver.get_log("browser")]  # type: ignore[no-untyped-call]
    asked: dict[str, str] = {}
    failed = []
    for event in events(driver):
        parameters = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            asked[parameters["requestId"]] = parameters["request"]["url"]
        elif event["method"] == "Network.loadingFailed" and not parameters.get("canceled"):
            failed.append(
                f"request: {asked.get(parameters['requestId'], 'unknown')}: {parameters['errorText']}"
            )
    return console + failed


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over HTTP on this computer: its address, without a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The browser tells what failed."""
