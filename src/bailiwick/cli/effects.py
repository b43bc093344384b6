"""``bailiwick effects``: what was done, and the proof that the record is whole."""

from __future__ import annotations

from collections.abc import Iterable

import click

from bailiwick.cli.detail import show
from bailiwick.cli.diff import diff
from bailiwick.cli.erase import erase
from bailiwick.cli.export import export
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading
from bailiwick.cli.settle import settle
from bailiwick.cli.show import effect_as_json, print_json, print_table, seconds, when
from bailiwick.cli.tidy import tidy
from bailiwick.cli.tree import tree
from bailiwick.cli.undo import undo
from bailiwick.cli.verify import anchor, verify
from bailiwick.cli.why import why
from bailiwick.clock import SystemClock
from bailiwick.effects import STATES, Effect, Kind
from bailiwick.ids import ask_of, root_key


@click.group()
def effects() -> None:
    """Look at what agents did, take it back, and prove that the record is whole.

    \b
    Examples:
      bailiwick effects ls --limit 20
      bailiwick effects ls --state failed --json | jq '.[].id'
      bailiwick effects why eff_019a…
      bailiwick effects tree
      bailiwick effects verify
    """


for command in (anchor, diff, erase, export, settle, show, tidy, tree, undo, verify, why):
    effects.add_command(command)


@effects.command()
@click.option("--run", "run", metavar="RUN", help="Only this run, or with a root run everything under it.")
@click.option("--tool", metavar="NAME", help="Only this tool or action.")
@click.option("--state", type=click.Choice(STATES), help="Only effects in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many, the newest.")
@home_option
@json_option
def ls(run: str | None, tool: str | None, state: str | None, limit: int, home: str | None, as_json: bool) -> None:
    """List effects, the newest last. What is open may be under way; `in doubt` waits for a person."""
    reading = Reading(home, trees=[run] if run else ())
    found = [effect for effect in _those_under(run, reading) if tool in (None, effect.intent.tool) and state in (None, effect.state)]
    shown = found[-limit:]
    if as_json:
        print_json([effect_as_json(effect, payloads=False) | {"in_doubt": reading.in_doubt(effect)} for effect in shown])
        return
    now_ns = SystemClock().now_ns()
    rows = [
        (
            effect.intent.id,
            when(effect.intent.at_ns),
            effect.intent.kind.value,
            effect.intent.tool,
            effect.intent.effect.value,
            reading.state(effect),
            seconds(effect.took_s) or f"for {seconds((now_ns - effect.intent.at_ns) / 1e9)}",
        )
        for effect in shown
    ]
    print_table(("id", "when", "kind", "tool", "class", "state", "took"), rows, empty="no effects on record match")
    if len(found) > limit:
        click.echo(f"{len(found) - limit} older ones are not shown; raise --limit", err=True)
    _name_the_way_out(reading, shown)


def _those_under(run: str | None, reading: Reading) -> Iterable[Effect]:
    """The effects of ``run``; of everything below it, if it is the root of a tree; all, if it is None."""
    folded = reading.effects
    if run is None:
        return folded.values()
    opened_by = folded.get(ask_of(run))
    if opened_by is not None and opened_by.intent.kind is Kind.RUN:
        return [effect for effect in folded.values() if root_key(effect.intent.id) == root_key(run)]
    return [effect for effect in folded.values() if effect.intent.run == run]


def _name_the_way_out(reading: Reading, shown: Iterable[Effect]) -> None:
    """An effect in doubt stops its run until somebody says what came of it: say how."""
    waiting = [effect.intent.id for effect in shown if reading.in_doubt(effect)]
    if waiting:
        more = f", and {len(waiting) - 1} more" if len(waiting) > 1 else ""
        click.echo(
            f"in doubt: {waiting[0]}{more}. Look at what it touched, then say what came of it: "
            f"`bailiwick effects settle {waiting[0]} --done VALUE`, `--failed WHY` or `--retry`",
            err=True,
        )
