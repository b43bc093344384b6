"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def home_option(command: F) -> F:
    """``--home``: where state lives."""
    return click.option(
        "--home", metavar="DIR", help="Where state lives. [default: $BAILIWICK_HOME, else ~/.local/state/bailiwick]", default=None
    )(command)


def json_option(command: F) -> F:
    """``--json``: data for programs on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, one document.")(command)
