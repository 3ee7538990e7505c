"""A picture of the HTML report of a small run, as a browser shows it.

    python -m examples.report_picture docs/images/report.png      # ten seconds; needs playwright and Chromium

`digits-resnet` on `dataflow`, eight images, computed: the page's head and the upper part of its timeline.
"""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import imcsim

SIZE = {"width": 1280, "height": 1320}


def main(picture: str) -> None:
    """Run, write the report, and draw what a browser shows of it."""
    from playwright.sync_api import sync_playwright

    run = imcsim.run("digits-resnet", arch="dataflow", images=8, record=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_path = Path(folder) / "report.html"
        run.save_report(page_path)
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(page_path.as_uri())
        page.evaluate("() => window.imcsimReport.then(() => new Promise(requestAnimationFrame))")
        page.wait_for_timeout(500)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
