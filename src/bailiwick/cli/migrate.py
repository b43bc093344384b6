"""``bailiwick runs migrate``."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from bailiwick.bailiff import Main, Migration, Recording, load, plan_migration, question, read_ledger
from bailiwick.bailiff import migrate as put_on_record
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.replay import confirmed, main_of
from bailiwick.cli.show import print_json, printable, when
from bailiwick.clock import SystemClock
from bailiwick.effects import Effect, EffectClass, Intent
from bailiwick.errors import BailiwickError

SHOWN = 20


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@home_option
@json_option
def migrate(run: str, yes: bool, dry_run: bool, home: str | None, as_json: bool) -> None:
    """Let RUN, which is under way, go on with changed code from its last seal; from its beginning, if it was never sealed.

    What it did since stays on record and in the world, and is not read again: the new code does its own. Afterwards, resume as ever.

    \b
    Examples:
      bailiwick runs migrate run_019a… --dry-run
      bailiwick runs migrate run_019a…
      bailiwick run campaign.py --resume
    """
    settings = load(home=home)
    recording = Recording(read_ledger(settings), run)
    clock = SystemClock()
    plan = plan_migration(recording, _main(recording.name), clock.now_ns())
    if not as_json or not (yes or dry_run):
        for line in _lines(recording, plan):
            click.echo(printable(line), err=as_json)
    if not dry_run:
        if not yes:
            confirmed("Migrate it?")
        asyncio.run(put_on_record(settings, plan, settings.principal, clock))
    if as_json:
        print_json(_as_json(plan, done=not dry_run))
    elif not dry_run:
        click.echo(f"migrated; go on with: {_resume(recording.name)}")


def _main(name: str) -> Main | None:
    """The code as it is now; None if it is not at hand."""
    try:
        return main_of(name)
    except BailiwickError:
        return None


def _resume(name: str) -> str:
    where, _, what = name.partition(":")
    return f"bailiwick run {what} --resume" if where == "run" else "bailiwick demo --resume"


def _lines(recording: Recording, plan: Migration) -> list[str]:
    sealed = next((f"entry {seq}, {when(seal.at_ns)}" for seq, seal in recording.seals if seq == plan.seal_seq), "")
    place = f"from its seal at {sealed}" if sealed else "from its beginning: it was never sealed"
    lines = [f"run {plan.run} of `{plan.tool}` goes on {place}", f"code then {plan.code_then or '?'}, now {plan.code_now or '?'}"]
    if plan.code_then and plan.code_then == plan.code_now:
        lines.append("the code is what it was then: if something else changed, such as what it calls, migrate all the same")
    lines.append(f"{len(plan.unread)} effects since then are not read any more; {len(plan.changed_the_world)} of them changed the world:")
    lines += _listed([_came_of(effect) for effect in plan.changed_the_world])
    done = (effect for effect in plan.changed_the_world if effect.state == "done")
    back = [effect.intent.id for effect in done if effect.intent.effect is EffectClass.COMPENSABLE]
    if back:
        lines.append(f"to take back what can be, before you migrate: bailiwick effects undo {' '.join(back)}")
    for what, intents in (
        ("questions without an answer are taken back", plan.cancelled),
        ("effects are in doubt and stay so: `bailiwick effects settle` them", plan.doubtful),
        ("asks were answered since by the agent: what they changed in its state is forgotten", plan.forgotten),
    ):
        if intents:
            lines += [f"{len(intents)} {what}:", *_listed([_asked(intent) for intent in intents])]
    return lines


def _listed(lines: list[str]) -> list[str]:
    more = [f"  … and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [f"  {line}" for line in lines[:SHOWN]] + more


def _asked(intent: Intent) -> str:
    return f"{intent.position:<8} {intent.effect:<12} {question(intent, 100)}  {intent.id}"


def _came_of(effect: Effect) -> str:
    return f"{_asked(effect.intent)}  {effect.state}"


def _as_json(plan: Migration, *, done: bool) -> dict[str, Any]:
    return {
        "run": plan.run,
        "agent": plan.agent,
        "tool": plan.tool,
        "seal_seq": plan.seal_seq,
        "entry": plan.entry,
        "code_then": plan.code_then,
        "code_now": plan.code_now,
        "unread": [effect.intent.id for effect in plan.unread],
        "changed_the_world": [effect.intent.id for effect in plan.changed_the_world],
        "cancelled": [intent.id for intent in plan.cancelled],
        "doubtful": [intent.id for intent in plan.doubtful],
        "forgotten": [intent.id for intent in plan.forgotten],
        "migrated": done,
    }
