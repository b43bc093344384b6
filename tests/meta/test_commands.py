"""The commands of the repository are what the documents and CI take them for."""

from __future__ import annotations

import os
import re
import tomllib

import bailiwick
from tests.meta.source import ROOT


def test_ci_runs_every_test_and_every_check() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^make .*\btest\b.*\bcheck\b", script.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_target_for_people_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    described = set(re.findall(r"^([a-z-]+):.*  ## \S", makefile, re.MULTILINE))
    assert set(phony[1].split()) == described


def test_the_version_has_one_source() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", bailiwick.__version__)


def test_dependencies_have_floors_and_no_caps() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *(name for extra in project["optional-dependencies"].values() for name in extra)]
    ours = [name for name in named if not name.startswith("bailiwick[")]
    assert [name for name in ours if not re.fullmatch(r"[a-z0-9-]+(\[[a-z]+\])?>=[\d.]+", name)] == []
