"""How commands show things: a table for people, JSON for programs. Rich is imported only when a table is drawn."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import click

from bailiwick import codec
from bailiwick.effects import Attempt, Cost, Effect, Failure, Settlement


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(codec.to_json(value, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table, as wide as the terminal and with nothing in it that would steer one; ``empty`` instead if there are no rows."""
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
        table.add_row(*(escape(printable(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


def when(at_ns: int) -> str:
    """A moment as UTC to the second; empty for none."""
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S") if at_ns else ""


def printable(text: str) -> str:
    """``text`` without what would steer a terminal: what tools and models said is shown, not obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def brief(value: object, width: int = 60) -> str:
    """``value`` as JSON, for a line of text: no longer than ``width``, and with nothing in it that would steer a terminal."""
    text = printable(codec.to_json(value))
    return text if len(text) <= width else f"{text[: width - 1]}…"


def terms_of(given: dict[str, object]) -> dict[str, object]:
    """What a launch gave to the agent that it made, of the launch's own arguments."""
    found = given.get("terms")
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def given_to(effect: Effect) -> dict[str, object]:
    """Its arguments by name, decoded; none if there were none, or they were erased."""
    found: object = codec.decode(effect.intent.arguments) if effect.intent.arguments else None
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def value_of(effect: Effect) -> object:
    """What it returned, decoded; None without a result, or if that was erased."""
    return codec.decode(effect.outcome.value) if effect.outcome is not None and effect.outcome.value else None


def call(effect: Effect, width: int = 60) -> str:
    """What was asked, as a call: ``tool(name=value)``, abbreviated to about ``width``."""
    given = given_to(effect)
    each = max(12, width // max(1, len(given)))
    erased = "(erased)" if effect.seq in effect.erased and not effect.intent.arguments else ""
    return f"{printable(effect.intent.tool)}({erased or ', '.join(f'{name}={brief(value, each)}' for name, value in given.items())})"


def seconds(took_s: float | None) -> str:
    """A span of time, to three digits; empty for None."""
    if took_s is None:
        return ""
    if took_s < 1:
        return f"{took_s * 1e3:.3g} ms"
    if took_s < 120:
        return f"{took_s:.3g} s"
    return f"{took_s / 60:.3g} min" if took_s < 7200 else f"{took_s / 3600:.3g} h"


def spent(cost: Cost) -> str:
    """What was used, without what was not; empty if nothing was."""
    parts = (
        f"{seconds(cost.cpu_s)} CPU" if cost.cpu_s else "",
        f"{cost.tokens} tokens" if cost.tokens else "",
        f"${cost.usd:.4g}" if cost.usd else "",
        f"{cost.sent_bytes} bytes sent" if cost.sent_bytes else "",
    )
    return ", ".join(filter(None, parts))


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
        "doubtful": effect.is_doubtful,
        "asked_ns": intent.at_ns,
        "started_ns": outcome.started_ns if outcome else None,
        "ended_ns": outcome.ended_ns if outcome else None,
        "took_s": effect.took_s,
        "fidelity": outcome.fidelity if outcome else None,
        "cost": outcome.cost if outcome else None,
        "tries": effect.tries,
        "rule": intent.rule or None,
        "caused_by": intent.caused_by,
        "undoes": intent.undoes,
        "undone_by": effect.undo.intent.id if effect.undo else None,
        "settlement": _settlement(outcome.settlement) if outcome and outcome.settlement else None,
    }
    if payloads:
        shown["arguments"] = codec.decode(intent.arguments) if intent.arguments else None
        shown["value"] = codec.decode(outcome.value) if outcome and outcome.value else None
        shown["failure"] = _failure(outcome.failure) if outcome and outcome.failure else None
        shown["attempts"] = [attempt_as_json(attempt) for attempt in effect.attempts]
        shown["requests"] = [
            {"asked": one.asked, "need": one.need, "why": one.why, "charter": one.charter, "action": one.action, "at_ns": one.at_ns}
            for one in effect.requests
        ]
        shown["rulings"] = [{"who": one.who, "verdict": one.verdict, "why": one.why, "at_ns": one.at_ns} for one in effect.rulings]
        shown["erased"] = [what for seq, what in ((effect.seq, "arguments"), (effect.outcome_seq, "value")) if seq in effect.erased]
    return shown


def attempt_as_json(attempt: Attempt) -> dict[str, Any]:
    """A try after the first: why the one before it was not the last, and why this one may be made."""
    return {
        "number": attempt.number,
        "begun": attempt.begun,
        "at_ns": attempt.at_ns,
        "settlement": _settlement(attempt.settlement),
        "failure": _failure(attempt.failure) if attempt.failure else None,
    }


def _settlement(settlement: Settlement) -> dict[str, Any]:
    return {"by": settlement.by, "who": settlement.who or None, "why": settlement.why or None}


def _failure(failure: Failure) -> dict[str, Any]:
    facts = codec.decode(failure.facts, dict[str, Any]) if failure.facts else {}
    return {"code": failure.code, "type": failure.type, "message": failure.message, "facts": facts, "traceback": failure.traceback}
