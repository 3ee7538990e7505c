"""Pages lead to one another: no link between them goes nowhere, and each is in a table of contents."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])


def prose(page: Path) -> str:
    """Return a page without its listings."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return what links call the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("index", sorted(DOCS.rglob("index.md")), ids=lambda index: index.parent.name)
def test_every_page_is_in_the_table_of_contents_of_its_folder(index: Path) -> None:
    (listed,) = re.findall(r"```\{toctree\}\n(.*?)```", index.read_text(encoding="utf-8"), re.DOTALL)
    names = [line for line in listed.splitlines() if line and not line.startswith(":")]
    pages = [page.stem for page in index.parent.glob("*.md") if page != index]
    folders = [f"{page.parent.name}/index" for page in index.parent.glob("*/index.md")]
    entries = sorted(pages + folders)
    assert [entry for entry in entries if any(fnmatch(entry, name) for name in names)] == entries
    assert [name for name in names if not any(fnmatch(entry, name) for entry in entries)] == []
