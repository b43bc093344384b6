"""The examples in the README run and print what it says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.commands import bailiwick

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    assert found is not None
    return found[1]


def test_the_agent_in_the_readme_runs(tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text(block("python"))
    printed = re.search(r"\$ bailiwick run lab.py 3\n(.*)\n", README)
    assert printed is not None
    assert bailiwick("run", "lab.py", "3", home=tmp_path).stdout == f"{printed[1]}\n"


def test_the_charter_in_the_readme_is_one(tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text(block("python"))
    (tmp_path / "charter.toml").write_text(block("toml"))
    assert bailiwick("run", "lab.py", "3", "--charter", "charter.toml", home=tmp_path).returncode == 0


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200
