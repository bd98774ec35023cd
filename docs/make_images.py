"""Takes the README's picture of a results site: the first screen of the page, as a PNG.

    python docs/make_images.py out/demo/site/index.html docs/images/site.png

Needs Chromium and its driver, as the tests of the page do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
MAX_BYTES = 200 * 1024


def take(page: Path, picture: Path, *, width: int, height: int) -> int:
    """Write a picture of the top of `page`; the number of bytes."""
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        # The path is given, so Selenium neither looks for a driver nor counts its use.
        browser = webdriver.Chrome(options=options, service=Service(executable_path=str(DRIVER)))
        try:
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            light = {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", light)
            browser.get(page.resolve().as_uri())
            content = browser.get_screenshot_as_png()
        finally:
            browser.quit()
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(content)
    return len(content)


def main() -> int:
    """Take the picture; 1 where it cannot be taken or is too large for a README."""
    parser = argparse.ArgumentParser(description="Take a picture of the top of a results page.")
    parser.add_argument("page", type=Path, help="index.html of a built site")
    parser.add_argument("picture", type=Path, help="PNG to write")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1030)
    given = parser.parse_args()
    missing = [str(path) for path in (CHROMIUM, DRIVER, given.page) if not path.exists()]
    if missing:
        sys.stderr.write(f"missing: {', '.join(missing)}\n")
        return 1
    size = take(given.page, given.picture, width=given.width, height=given.height)
    sys.stdout.write(f"{given.picture}: {size:,} bytes\n")
    if size > MAX_BYTES:
        sys.stderr.write(f"larger than {MAX_BYTES:,} bytes; choose a smaller --height\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
