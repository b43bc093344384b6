"""Running a command in this process, over a record made by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bailiwick.cli.app import run


def home() -> Path:
    """Where the record of this test is; see ``tests/conftest.py``."""
    return Path(os.environ["BAILIWICK_HOME"])


def said(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> str:
    """What a command prints on standard output."""
    code = run(list(arguments))
    captured = capsys.readouterr()
    assert code == exit_code, captured.err
    return captured.out


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(said(capsys, *arguments, "--json"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 3) -> str:
    """The one line in which a command says what is wrong."""
    code = run(list(arguments))
    captured = capsys.readouterr()
    assert code == exit_code, captured.err
    return captured.err.strip().splitlines()[-1]
