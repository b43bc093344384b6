"""What the documents say is so: links lead somewhere, commands exist, code compiles, and nothing names one person's machine."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from tests.meta.source import ROOT, files

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
FENCE = re.compile(r"^```(\w+)?[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.}])/(?:home|Users|root)/\w")


def _documents() -> list[Path]:
    return list(files(".md"))


def _prose(document: Path) -> str:
    """The text without its blocks of code."""
    return FENCE.sub("", document.read_text(encoding="utf-8"))


def _blocks(document: Path, language: str) -> list[str]:
    return [code for name, code in FENCE.findall(document.read_text(encoding="utf-8")) if name == language]


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+?) *$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_documents_lead_somewhere() -> None:
    broken: list[str] = []
    for document in _documents():
        for link in (next(filter(None, found)) for found in LINK.findall(_prose(document))):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (document.parent / path).resolve() if path else document
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
                broken.append(f"{document.relative_to(ROOT)}: {link}")
    assert broken == []


def test_code_in_documents_compiles() -> None:
    for document in _documents():
        for code in _blocks(document, "python"):
            ast.parse(code, filename=str(document))
        for code in _blocks(document, "toml"):
            tomllib.loads(code)


def test_every_make_command_in_a_document_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {"demo", "test", "check"} <= targets
    for document in _documents():
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|^ *\$? ?)make (?:[A-Z]+=\S+ )*([a-z-]+)", text, re.MULTILINE))
        assert named <= targets, document.name


def test_every_decision_says_what_would_change_our_mind() -> None:
    for note in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
        text = note.read_text(encoding="utf-8")
        assert re.match(r"# \d{4}\. \S", text), f"{note.name}: first line"
        assert text.startswith(f"# {note.name[:4]}."), f"{note.name}: number"
        assert "\n## What would change our mind\n" in text, note.name


def test_nothing_names_a_path_on_one_persons_machine() -> None:
    kinds = (".py", ".md", ".toml", ".json", ".txt", ".cfg", ".yml", ".yaml", ".html", "Makefile", "run", ".gitignore")
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files(*kinds)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if SOMEBODYS_MACHINE.search(line)
    ]
    assert named == []


def test_paths_on_one_persons_machine_are_recognised() -> None:
    assert SOMEBODYS_MACHINE.search('open("/home/' + 'ada/data.csv")')
    assert not SOMEBODYS_MACHINE.search("tests/root/unit and docs/home/index.md")
