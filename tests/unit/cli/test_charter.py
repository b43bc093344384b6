"""`bailiwick charter`: checked and shown from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bailiwick.cli.charter import charter
from bailiwick.errors import BadInput, NotFound, Refused

CLEAN = """
principal = "ann"
discretion = ["draft_*"]
[[allow]]
tool = "pay"
when = "context.arguments.usd <= 1000"
[[approvals]]
tool = "pay"
when = "context.arguments.usd > 100"
ask = ["bob"]
[budget]
usd = 50.0
"""
DISAGREES = """
[[allow]]
tool = "send_*"
[[deny]]
tool = "*_mail"
reason = "mail is for people"
"""
TOOLS = """
from bailiwick import tool

@tool
def pay(usd: float, to: str) -> None:
    "Pays."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"clean.toml": CLEAN, "disagrees.toml": DISAGREES, "tools_of_a_test_of_charters.py": TOOLS}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(*arguments: object, error: type[Exception] | None = None) -> str:
    result = CliRunner().invoke(charter, [str(argument) for argument in arguments])
    assert (result.exception is None) if error is None else isinstance(result.exception, error), result.output
    return result.output


def test_a_clean_charter_has_no_problems(folder: Path) -> None:
    assert run("check", folder / "clean.toml").startswith("0 problems; every pair of rules looked at")


def test_a_conflict_is_shown_with_a_call_and_ends_with_the_exit_code_of_a_refusal(folder: Path) -> None:
    out = run("check", folder / "disagrees.toml", error=Refused)
    assert "conflict: allow 1 allows what deny 1 forbids; it is denied: send__mail() (irreversible)" in out
    assert Refused.exit_code == 3


def test_as_json_it_says_the_same(folder: Path) -> None:
    found = json.loads(run("check", folder / "disagrees.toml", "--json", error=Refused))
    assert found["problems"] == []
    assert found["findings"] == [
        {
            "severity": "conflict",
            "rules": ["allow 1", "deny 1"],
            "what": "allow 1 allows what deny 1 forbids; it is denied",
            "witness": "send__mail() (irreversible)",
        }
    ]


def test_tools_tell_which_rules_are_for_nothing(folder: Path) -> None:
    tools = folder / "tools_of_a_test_of_charters.py"
    out = run("check", folder / "clean.toml", "--tools", tools, error=Refused)
    assert out.splitlines() == ['discretion 1: no tool is called "draft_*"; there are pay']
    with pytest.raises(AssertionError):
        run("check", folder / "clean.toml", "--tools", "no.such.module")
    run("check", folder / "clean.toml", "--tools", "no.such.module", error=BadInput)
    run("check", folder / "clean.toml", "--tools", "json", error=BadInput)
    run("check", folder / "missing.toml", error=NotFound)


def test_layers_are_shown_by_the_ids_that_records_name(folder: Path) -> None:
    out = run("show", folder / "disagrees.toml", folder / "clean.toml")
    for part in ("site.deny 1", "mail is for people", "agent.approval 1", "agent.discretion 1", "budget: usd 50.0"):
        assert part in out
    found = json.loads(run("show", folder / "clean.toml", "--json"))
    assert [rule["id"] for rule in found["rules"]] == ["approval 1", "allow 1", "discretion 1"]
    assert len(found["digest"]) == 16
