"""``bailiwick effects undo``: a plan, a question, and then what can be taken back is."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from bailiwick.agents import Undone
from bailiwick.bailiff import open_bailiwick
from bailiwick.cli.drive import drive
from bailiwick.cli.finding import Finder, import_option
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading
from bailiwick.cli.replay import confirmed
from bailiwick.cli.show import call, print_json, print_table, printable, when
from bailiwick.clock import SystemClock
from bailiwick.effects import Effect, Kind, Plan, Tool, plan_undo, those_since, those_under, with_what_is_inside
from bailiwick.errors import BadInput, CompensationFailed, Conflict, NotFound, Refused
from bailiwick.gateway import SESSION
from bailiwick.ids import EffectId, root_key, run_of

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--run", "run", metavar="RUN", help="Everything in this run, and in all that it asked for.")
@click.option("--since", metavar="TIME", help="Everything asked for since then: 10m, 2h, or 2026-02-28T09:30 (UTC if it does not say).")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also if later effects depend on what is taken back.")
@click.option("--keep-going", is_flag=True, help="Go on with the others if one cannot be taken back.")
@import_option
@home_option
@json_option
def undo(
    ids: tuple[str, ...],
    run: str | None,
    since: str | None,
    only_plan: bool,
    yes: bool,
    force: bool,
    keep_going: bool,
    imports: tuple[str, ...],
    home: str | None,
    as_json: bool,
) -> None:
    """Take back what effects did: what happened last goes first. Of ID its beginning or its end is enough.

    Nothing is taken back twice: after an interruption or a failure, say the same again. To find the undo of each tool, the code that
    defines it is imported.

    \b
    Examples:
      bailiwick effects undo a6cce6838e02
      bailiwick effects undo --run run_019a… --plan
      bailiwick effects undo --since 10m --yes
    """
    reading = Reading(home)
    plan = plan_undo(reading.effects, _chosen(reading, ids, run, since))
    if not as_json:
        _show(reading, plan)
    if only_plan or not plan.steps:
        if as_json:
            print_json(_plan_as_json(plan))
        if not only_plan:
            _nothing_to_do(plan, named=bool(ids))
        return
    if plan.left_hanging and not force:
        raise Refused(
            f"nothing was undone: {len(plan.left_hanging)} later effects depend on what would be taken back, the first is "
            f"{plan.left_hanging[0].effect.intent.id}; take them back too, or say --force"
        )
    _ask(len(plan.steps), yes)
    undone = drive(_perform(reading, plan, imports, keep_going), "the same command")
    if as_json:
        print_json({**_plan_as_json(plan), "undone": [found._asdict() for found in undone]})
    else:
        print_table(("id", "tool", "what came of it", "why"), [(f.effect, f.tool, f.state, printable(f.why)) for f in undone], empty="")
    _complain(undone)


async def _perform(reading: Reading, plan: Plan, imports: Sequence[str], keep_going: bool) -> list[Undone]:
    """Find every tool before anything is done, then take back what can be."""
    finder = Finder(reading.effects, imports)
    tools: list[tuple[Tool, EffectId]] = []
    missing: list[Undone] = []
    for step in plan.steps:
        try:
            tools.append((finder.undoable(step.intent), step.intent.id))
        except NotFound as error:
            if not keep_going:
                raise NotFound(f"nothing was undone: {error.message}") from error
            missing.append(Undone(step.intent.id, step.intent.tool, "stands", error.message))
    if not tools:
        return missing
    async with open_bailiwick(reading.settings) as bailiwick:
        return [*(await bailiwick.undo(tools, keep_going=keep_going)), *missing]


def _chosen(reading: Reading, ids: Sequence[str], run: str | None, since: str | None) -> set[EffectId]:
    """Raises `NotFound`, or `BadInput` for what is not clear."""
    if not ids and run is None and since is None:
        raise BadInput("say what to take back: an ID, --run RUN or --since TIME; `bailiwick effects ls` lists what there is")
    chosen = with_what_is_inside(reading.effects, [reading.named(given).intent.id for given in ids])
    if run is not None:
        chosen |= those_under(reading.effects, run_of(reading.run(run).intent.id))
    if since is not None:
        chosen |= those_since(reading.effects, moment(since, "--since", SystemClock().now_ns()))
    return chosen


def moment(text: str, option: str, now_ns: int) -> int:
    """The nanoseconds since 1970 that a person means by ``text``: a time, or how long ago. Raises `BadInput` naming ``option``."""
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    if ago is not None:
        return now_ns - round(timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds() * 1e9)
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} {text}: give 90s, 10m, 2h or 3d ago, or a time such as 2026-02-28T09:30") from None
    return round((named if named.tzinfo is not None else named.replace(tzinfo=UTC)).timestamp() * 1e9)


def _show(reading: Reading, plan: Plan) -> None:
    if plan.steps:
        click.echo("To be taken back, in this order:")
        rows = [(step.intent.id, when(step.intent.at_ns), call(reading.whole(step), 100)) for step in plan.steps]
        print_table(("id", "when", "what"), rows, empty="")
    for run in _not_ended(reading, plan):
        click.echo(f"{run} has not ended: once this is done it cannot be resumed")
    changed = [stay for stay in plan.stays if _changed_something(stay.effect)]
    if changed:
        click.echo("What stays:")
        print_table(("id", "tool", "why"), [(stay.effect.intent.id, stay.effect.intent.tool, stay.why) for stay in changed], empty="")
    for why, count in Counter(stay.why for stay in plan.stays if not _changed_something(stay.effect)).items():
        click.echo(f"{count} × {why}")
    if plan.depends:
        click.echo("Later effects that depend on these:")
        rows = [(later.effect.intent.id, later.effect.intent.tool, later.effect.state, later.on) for later in plan.depends]
        print_table(("id", "tool", "state", "on"), rows, empty="")


def _not_ended(reading: Reading, plan: Plan) -> list[str]:
    """The roots that a crash cut off, in whose trees something would be taken back."""
    trees = {root_key(step.intent.id) for step in plan.steps}
    opened = (effect for effect in reading.effects.values() if effect.intent.kind is Kind.RUN and effect.outcome is None)
    return [effect.intent.run for effect in opened if root_key(effect.intent.id) in trees and effect.intent.tool != SESSION]


def _changed_something(effect: Effect) -> bool:
    return effect.intent.kind is Kind.TOOL and effect.intent.effect.leaves_traces


def _nothing_to_do(plan: Plan, *, named: bool) -> None:
    """Say so; an error if somebody named what cannot be taken back."""
    standing = [
        stay for stay in plan.stays if _changed_something(stay.effect) and stay.effect.state not in ("undone", "refused", "cancelled")
    ]
    if named and standing:
        effect = standing[0].effect.intent
        raise Refused(f"nothing was undone: `{effect.tool}` {effect.id}: {standing[0].why}")
    click.echo("nothing to take back", err=True)


def _ask(steps: int, yes: bool) -> None:
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput("nothing was undone: there is nobody here to ask; say --yes, or --plan to see what would be done")
        confirmed(f"Take {steps} effects back?")


def _complain(undone: Sequence[Undone]) -> None:
    """Raises what makes the exit code: the worst that came of any of them."""
    failed = [found for found in undone if found.state in ("failed", "stands")]
    standing = [found.effect for found in undone if found.stands]
    if failed:
        raise CompensationFailed(
            f"`{failed[0].tool}` {failed[0].effect} could not be taken back, and stands: {printable(failed[0].why)}. Look at what it "
            f"touched, then say the same again; `bailiwick effects ls --state undo-failed` lists all that stand",
            effect=failed[0].effect,
            stands=standing,
        )
    conflicts = [found for found in undone if found.state == "conflict"]
    if conflicts:
        raise Conflict(f"`{conflicts[0].tool}` {conflicts[0].effect} stands: {printable(conflicts[0].why)}", stands=standing)


def _plan_as_json(plan: Plan) -> dict[str, Any]:
    return {
        "steps": [{"id": step.intent.id, "tool": step.intent.tool, "path": step.intent.path} for step in plan.steps],
        "stays": [{"id": stay.effect.intent.id, "tool": stay.effect.intent.tool, "why": stay.why} for stay in plan.stays],
        "depends": [{"id": later.effect.intent.id, "tool": later.effect.intent.tool, "on": later.on} for later in plan.depends],
    }
