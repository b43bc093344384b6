"""How commands show things: a table for people, JSON for programs. Rich is imported only when a table is drawn."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from bailiwick import codec
from bailiwick.effects import Effect, Failure


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(codec.to_json(value, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table, as wide as the terminal; ``empty`` instead if there are no rows."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    listed = list(rows)
    if not listed:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("id", "run", "when"))
    for row in listed:
        table.add_row(*(escape(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


def when(at_ns: int) -> str:
    """A moment as UTC to the second; empty for none."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S") if at_ns else ""


def printable(text: str) -> str:
    """``text`` without what would steer a terminal: what tools and models said is shown, not obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def effect_as_json(effect: Effect, *, payloads: bool) -> dict[str, Any]:
    """An effect with its arguments, value and failure decoded where ``payloads`` is true."""
    intent, outcome = effect.intent, effect.outcome
    shown: dict[str, Any] = {
        "id": intent.id,
        "seq": effect.seq,
        "run": intent.run,
        "agent": intent.agent,
        "position": intent.position,
        "kind": intent.kind,
        "tool": intent.tool,
        "effect": intent.effect,
        "target": intent.target,
        "state": effect.state,
        "asked_ns": intent.at_ns,
        "started_ns": outcome.started_ns if outcome else None,
        "ended_ns": outcome.ended_ns if outcome else None,
        "took_s": effect.took_s,
        "fidelity": outcome.fidelity if outcome else None,
        "cost": outcome.cost if outcome else None,
    }
    if payloads:
        shown["arguments"] = codec.decode(intent.arguments) if intent.arguments else None
        shown["value"] = codec.decode(outcome.value) if outcome and outcome.value else None
        shown["failure"] = _failure(outcome.failure) if outcome and outcome.failure else None
    return shown


def _failure(failure: Failure) -> dict[str, Any]:
    facts = codec.decode(failure.facts, dict[str, Any]) if failure.facts else {}
    return {"code": failure.code, "type": failure.type, "message": failure.message, "facts": facts, "traceback": failure.traceback}
