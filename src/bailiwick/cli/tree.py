"""``bailiwick effects tree``: a run as an outline of all that was asked for inside it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click

from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import print_json, printable, seconds, spent
from bailiwick.effects import FREE, Cost, Effect, Kin, opens

COLOURS = {
    "done": "green",
    "failed": "red",
    "refused": "yellow",
    "cancelled": "bright_black",
    "undone": "cyan",
    "undo-failed": "bold red",
    "open": "blue",
    "in doubt": "bold magenta",
}
"""As Rich names them."""


class Row(NamedTuple):
    """One line of the outline."""

    branch: str
    """The lines that lead to it."""
    effect: Effect
    state: str
    inside: Cost
    """What it and all inside it used."""
    hidden: int
    """How many effects it asked for that ``--depth`` leaves out."""


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--depth", type=click.IntRange(min=0), help="How many levels are shown. [default: all]")
@home_option
@json_option
def tree(run: str | None, depth: int | None, home: str | None, as_json: bool) -> None:
    """Show RUN as a tree: messages, launches and tool calls inside each other, with what they took and cost. Default: the newest run.

    RUN is a run, or an effect or agent that something was asked for inside of; its beginning or its end is enough.

    \b
    Examples:
      bailiwick effects tree
      bailiwick effects tree run_019a… --depth 2
      bailiwick effects tree --json | jq '.[] | select(.state == "failed") | .id'
    """
    reading = Reading(home, trees=trees_of(run))
    top = reading.run(None) if run is None else reading.named(run)
    shown = list(rows(reading, top, depth))
    if as_json:
        print_json([_as_json(reading, row) for row in shown])
    elif sys.stdout.isatty():
        _in_colour(shown)
    else:
        for row in shown:
            click.echo(f"{row.branch}{_words(row)}  {row.state}{_measures(row)}")


def rows(reading: Reading, top: Effect, depth: int | None) -> Iterator[Row]:
    """The outline of ``top``, line by line."""
    web = reading.causality
    inside = _costs(web.tree(top))
    last_at: list[bool] = []
    for kin in web.tree(top, depth):
        effect = kin.effect
        del last_at[kin.depth :]
        opener = web.opener(effect)
        last_at.append(kin.depth == 0 or opener is None or web.opened(opener)[-1] is effect)
        margin = "".join("   " if last else "│  " for last in last_at[1:-1])
        branch = "" if kin.depth == 0 else f"{margin}{'└─ ' if last_at[-1] else '├─ '}"
        hidden = len(web.opened(effect)) if depth is not None and kin.depth == depth else 0
        yield Row(branch, effect, reading.state(effect), inside[effect.intent.id], hidden)


def _costs(tree: Iterable[Kin]) -> dict[str, Cost]:
    """By effect what it and all inside it used, in one pass from the leaves up."""
    found: dict[str, Cost] = {}
    path: list[str] = []

    def close(depth: int) -> None:
        while len(path) > depth:
            ended = path.pop()
            if path and found[ended] is not FREE:
                found[path[-1]] = found[path[-1]] + found[ended]

    for effect, depth in tree:
        close(depth)
        path.append(effect.intent.id)
        cost = effect.outcome.cost if effect.outcome is not None else FREE
        found[effect.intent.id] = FREE if cost == FREE else cost
    close(0)
    return found


def _words(row: Row) -> str:
    intent = row.effect.intent
    position = f"{intent.position} " if intent.position else ""
    return f"{position}{intent.kind} {printable(intent.tool)}"


def _measures(row: Row) -> str:
    outcome = row.effect.outcome
    parts = (
        seconds(row.effect.took_s),
        spent(row.inside),
        outcome.fidelity.value if outcome is not None and outcome.fidelity != "exact" else "",
        f"{row.effect.tries} tries" if row.effect.tries > 1 else "",
        f"{row.hidden} inside" if row.hidden else "",
        f"…{row.effect.intent.id[-12:]}",
    )
    return "".join(f"  {part}" for part in parts if part)


def _in_colour(shown: Iterable[Row]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for row in shown:
        line = Text.assemble(row.branch, _words(row), "  ", (row.state, COLOURS.get(row.state, "")), (_measures(row), "dim"))
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def _as_json(reading: Reading, row: Row) -> dict[str, Any]:
    effect = row.effect
    opener = reading.causality.opener(effect)
    return {
        "id": effect.intent.id,
        "opener": opener.intent.id if opener is not None else None,
        "opens": opens(effect) or None,
        "run": effect.intent.run,
        "agent": effect.intent.agent,
        "position": effect.intent.position,
        "kind": effect.intent.kind,
        "tool": effect.intent.tool,
        "state": effect.state,
        "in_doubt": reading.in_doubt(effect),
        "took_s": effect.took_s,
        "cost": effect.outcome.cost if effect.outcome is not None else None,
        "total_cost": row.inside,
        "hidden": row.hidden,
    }
