"""Takes the README's pictures: pages of a results site, of a lab that never was, as PNG files.

    python docs/make_images.py [docs/images]

Needs Chromium and its driver, as the tests of the site do.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from integrator.site.build import build_site
from tests.site import browser, synthetic

MAX_BYTES = 120 * 1000
WIDTH = 1200


@dataclass(frozen=True)
class Picture:
    """The top of a page, as high as its content is wanted."""

    name: str
    page: str
    height: int
    colours: str = "light"
    scroll_to: str = ""
    """A selector of what stands at the top."""


PICTURES = (
    Picture("answers", "index.html", 800),
    Picture("model", "models/yolov8n.html", 668, scroll_to="main h2"),
)


def take(site: Path, folder: Path) -> list[Path]:
    """Writes each picture; those that are too large for a README."""
    heavy = []
    with tempfile.TemporaryDirectory() as profile:
        chromium = browser.start(Path(profile))
        try:
            for picture in PICTURES:
                browser.resize(chromium, WIDTH, picture.height)
                browser.media(chromium, colours=picture.colours)
                chromium.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
                chromium.get((site / picture.page).as_uri())
                if picture.scroll_to:
                    top = f"document.querySelector({picture.scroll_to!r}).getBoundingClientRect().top"
                    chromium.execute_script(f"scrollTo(0, {top} - 24)")
                chromium.execute_async_script(
                    "setTimeout(arguments[0], 1500)"
                )  # charts come when they are seen
                file = folder / f"{picture.name}.png"
                file.write_bytes(chromium.get_screenshot_as_png())
                sys.stdout.write(f"{file}: {file.stat().st_size:,} bytes\n")
                if file.stat().st_size > MAX_BYTES:
                    heavy.append(file)
        finally:
            chromium.quit()
    return heavy


def main() -> int:
    """Build and take them; 1 where they cannot be taken or are too large for a README."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).with_name("images"))
    given = parser.parse_args()
    if missing := browser.missing_programs():
        sys.stderr.write(f"missing: {missing}\n")
        return 1
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fleetmark-") as made:
        campaigns = [synthetic.lab(machines=12, models=21, rows=9000, campaign=number) for number in range(2)]
        page = build_site(Path(made) / "site", campaigns)
        heavy = take(page.parent, given.folder)
    for file in heavy:
        sys.stderr.write(f"{file} is larger than {MAX_BYTES:,} bytes; choose a smaller height\n")
    return 1 if heavy else 0


if __name__ == "__main__":
    sys.exit(main())
