"""Links lead somewhere, claims have evidence, and paths that are named exist."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.markdown import DOCS, ROOT, documents, links, sections, without_blocks
from tests.experiments.catalogue import EXPERIMENTS

KEY = re.compile(r"\b([TSKHFCDW]\d{1,2})\b")
RESEARCH = sorted((DOCS / "research").glob("*.md"))
OURS = sorted([*DOCS.glob("*.md"), *RESEARCH])


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", documents(), ids=_name)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    broken = []
    for link in links(document.read_text()):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (document.parent / parts.path).resolve() if parts.path else document
        there = target.exists() and target.is_relative_to(ROOT)
        if there and parts.fragment:
            there = parts.fragment in {each.anchor for each in sections(target.read_text())}
        if not there:
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", documents(), ids=_name)
def test_links_out_are_https_and_whole(document: Path) -> None:
    outward = [link for link in links(document.read_text()) if urlsplit(link).scheme]
    assert [link for link in outward if urlsplit(link).scheme != "https" or not urlsplit(link).netloc] == []


def test_every_page_can_be_reached_from_the_start_page() -> None:
    seen: set[Path] = set()
    todo = [DOCS / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        for link in links(page.read_text()):
            target = (page.parent / urlsplit(link).path).resolve()
            if not urlsplit(link).scheme and target.suffix == ".md" and target not in seen:
                todo.append(target)
    assert sorted(set(DOCS.rglob("*.md")) - seen) == []


@pytest.mark.parametrize("document", RESEARCH, ids=_name)
def test_experiments_that_are_named_exist(document: Path) -> None:
    named = set(KEY.findall(without_blocks(document.read_text())))
    assert sorted(named - set(EXPERIMENTS)) == []


def test_each_section_of_the_analysis_has_evidence() -> None:
    bare = [
        section.title
        for section in sections((DOCS / "research" / "analysis.md").read_text())
        if re.match(r"\d\.\d", section.title) and not (KEY.search(section.text) or links(section.text))
    ]
    assert bare == []


@pytest.mark.parametrize("document", OURS, ids=_name)
def test_paths_of_tests_that_are_named_exist(document: Path) -> None:
    named = re.findall(r"\btests/[\w./-]*\w", without_blocks(document.read_text()))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", OURS, ids=_name)
def test_lines_are_of_a_length_that_can_be_read(document: Path) -> None:
    text = without_blocks(document.read_text())
    long = [line for line in text.splitlines() if len(line) > 135 and not line.startswith(("|", "[", "Measured"))]
    assert [line for line in long if not re.search(r"https://\S{60}|\]\(", line)] == []
