"""A report opened from disk in a headless Chromium: what it shows, asks for and complains about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PREFIXES = {sign: 10.0 ** (3 * n - 18) for n, sign in enumerate([*"afpnµm", "", *"kMGTP"])}
_UNITS = ("OP/s", "/s", "Hz", "J", "W", "s")
_SHOWN = re.compile(rf"(-?[\d.]+)(%|×|[afpnµmkMGTP]?(?:{'|'.join(_UNITS)}))?")


@dataclass
class OpenReport:
    """An open page.

    complaints : console errors and warnings, uncaught errors, dialogs
    requests : addresses that it asked for, but itself
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def ask(self, script: str) -> Any:
        """Evaluate JavaScript, in which `report` is the page's own object."""
        return self.page.evaluate(f"async () => {{ const report = await window.imcsimReport; {script} }}")

    def drawn(self) -> None:
        """Wait until what was asked for is drawn."""
        self.ask("for (let n = 0; n < 2; n++) await new Promise(requestAnimationFrame)")

    def numbers(self) -> list[tuple[str, str]]:
        """Return each number that is shown of the JSON: its pointer, and the text."""
        every = "[...document.querySelectorAll('[data-from]')]"
        found = self.ask(f"return {every}.map(e => [e.dataset.from, e.textContent])")
        return [(pointer, text) for pointer, text in found]

    def units(self) -> list[str]:
        """Return the units that have a lane in the timeline now."""
        rows = "report.timeline.rows.filter(row => row.lane !== undefined)"
        found = self.ask(f"return {rows}.map(row => report.timeline.data.units[row.lane])")
        return [str(unit) for unit in found]


@contextmanager
def opened(browser: Browser, path: Path, **options: Any) -> Iterator[OpenReport]:
    """Open a report and wait until all of it is there."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    page = context.new_page()
    found = OpenReport(page)
    page.on("console", lambda said: found.complaints.append(said.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.as_uri())
    page.evaluate("() => window.imcsimReport.then(() => true)")
    found.requests.remove(path.as_uri())
    try:
        yield found
    finally:
        context.close()


def at_pointer(value: Any, pointer: str) -> Any:
    """Return what a JSON pointer names."""
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value.get(key)
        if value is None:
            return None
    return value


def shows(text: str, value: Any) -> bool:
    """Tell whether a text is a number: integers whole, others to the four digits or decimals that it has."""
    if value is None:
        return text == "–"
    found = _SHOWN.fullmatch(text.replace("\u2009", "").replace(" ", "").replace("−", "-"))
    if found is None:
        return False
    digits, unit = float(found[1]), found[2] or ""
    if unit == "%":
        return bool(abs(digits / 100 - value) < 0.00051)
    if unit in ("", "×") and isinstance(value, int):
        return digits == value
    sign = next((sign for sign in _UNITS if unit.endswith(sign)), "")
    scale = _PREFIXES[unit.removesuffix(sign)] if sign else 1.0
    scale /= 1e12 if sign == "OP/s" else 1.0
    return bool(abs(digits * scale - value) <= max(5.01e-4 * abs(value), 0 if sign else 0.0051))
