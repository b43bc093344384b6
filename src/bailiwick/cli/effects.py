"""``bailiwick effects``: what was done, and the proof that the record is whole."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bailiwick.bailiff import load, read_ledger
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.show import effect_as_json, print_json, print_table, printable, when
from bailiwick.effects import Effect, Kind, Record, fold
from bailiwick.errors import BadInput, NotFound
from bailiwick.ids import ask_of, root_key
from bailiwick.ledger import verify

STATES = ("done", "failed", "refused", "open")


@click.group()
def effects() -> None:
    """Look at what agents did, and prove that the record is whole.

    \b
    Examples:
      bailiwick effects ls --limit 20
      bailiwick effects ls --state failed --json | jq '.[].id'
      bailiwick effects show eff_019a…
      bailiwick effects verify
    """


@effects.command()
@click.option("--run", "run", metavar="RUN", help="Only this run, or with a root run everything under it.")
@click.option("--tool", metavar="NAME", help="Only this tool or action.")
@click.option("--state", type=click.Choice(STATES), help="Only effects in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many, the newest.")
@home_option
@json_option
def ls(run: str | None, tool: str | None, state: str | None, limit: int, home: str | None, as_json: bool) -> None:
    """List effects, the newest last."""
    found = [
        effect for effect in _those_under(run, fold(records(home))) if tool in (None, effect.intent.tool) and state in (None, effect.state)
    ]
    shown = found[-limit:]
    if as_json:
        print_json([effect_as_json(effect, payloads=False) for effect in shown])
        return
    rows = [
        (
            effect.intent.id,
            when(effect.intent.at_ns),
            effect.intent.kind.value,
            effect.intent.tool,
            effect.intent.effect.value,
            effect.state,
            "" if effect.took_s is None else f"{effect.took_s * 1e3:.1f}",
        )
        for effect in shown
    ]
    print_table(("id", "when", "kind", "tool", "class", "state", "ms"), rows, empty="no effects on record match")
    if len(found) > limit:
        click.echo(f"{len(found) - limit} older ones are not shown; raise --limit", err=True)


@effects.command()
@click.argument("effect_id", metavar="ID")
@home_option
@json_option
def show(effect_id: str, home: str | None, as_json: bool) -> None:
    """Show one effect whole: who asked, what, with which arguments, and what came of it. Of ID its beginning or its end is enough."""
    found = [effect for key, effect in fold(records(home)).items() if key.startswith(effect_id) or key.endswith(effect_id)]
    if not found:
        raise NotFound(f"no effect on record has an id that begins or ends with {effect_id}; `bailiwick effects ls` lists them")
    if len(found) > 1:
        raise BadInput(f"{len(found)} effects have ids that begin or end with {effect_id}: give more of it")
    shown = effect_as_json(found[0], payloads=True)
    if as_json:
        print_json(shown)
        return
    failure = shown.pop("failure")
    for name, value in shown.items():
        if value is not None:
            click.echo(f"{name:<10} {printable(str(value))}")
    if failure:
        click.echo(printable(f"{'failure':<10} {failure['type']}: {failure['message']}\n{failure['traceback'].rstrip()}"))


@effects.command("verify")
@home_option
@json_option
def verify_record(home: str | None, as_json: bool) -> None:
    """Walk the hash chain from the first entry to the last: finds any entry that was edited, moved, put in or lost.

    Keep the head it prints somewhere else, and a later run shows whether the end was cut off.
    """
    head = verify(read_ledger(load(home=home)).entries())
    if as_json:
        print_json({"entries": head.seq, "head": head.hash.hex(), "intact": True})
    else:
        click.echo(f"{head.seq} entries, each one chained to the one before it; head {head.hash.hex()}")


def records(home: str | None) -> Iterator[tuple[int, Record]]:
    """The record, numbered. Raises `NotFound` where there is none."""
    return ((entry.seq, entry.record) for entry in read_ledger(load(home=home)).entries())


def _those_under(run: str | None, folded: dict[str, Effect]) -> list[Effect]:
    """The effects of ``run``; of everything below it, if it is the root of a tree; all, if it is None."""
    if run is None:
        return list(folded.values())
    opened_by = folded.get(ask_of(run))
    if opened_by is not None and opened_by.intent.kind is Kind.RUN:
        return [effect for effect in folded.values() if root_key(effect.intent.id) == root_key(run)]
    return [effect for effect in folded.values() if effect.intent.run == run]
