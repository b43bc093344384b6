"""``bailiwick effects erase``: what effects were given and returned goes for good, and the chain still holds."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from bailiwick.bailiff import Holdings, Settings, plan_erasure
from bailiwick.bailiff import erase as take_out
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import OPENING, Reading
from bailiwick.cli.show import print_json
from bailiwick.clock import SystemClock
from bailiwick.effects import Kind, those_under
from bailiwick.errors import BadInput, NotFound, Refused
from bailiwick.ids import AgentId, EffectId, agent_of, run_of


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--run", "run", metavar="RUN", help="Everything in this run, and in all that it asked for.")
@click.option("--agent", "agent", metavar="AGENT", help="What this agent remembered: the states in all its seals.")
@click.option("--why", metavar="TEXT", default="", help="The reason. It stands on the record beside your name.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also of runs that have not ended, which then cannot be resumed.")
@home_option
@json_option
def erase(
    ids: tuple[str, ...],
    run: str | None,
    agent: str | None,
    why: str,
    dry_run: bool,
    yes: bool,
    force: bool,
    home: str | None,
    as_json: bool,
) -> None:
    """Erase what effects were given and what they returned, for good. That they happened stays on record, and the chain holds.

    What was erased cannot be shown, compared or taken back any more. Nobody may be running meanwhile. Of ID its beginning or its end is
    enough. Copies elsewhere, such as backups, are not touched.

    \b
    Examples:
      bailiwick effects erase a6cce6838e02 --why "asked to by the patient"
      bailiwick effects erase --run run_019a… --dry-run
      bailiwick effects erase --agent agt_019a… --yes
    """
    if not ids and run is None and agent is None:
        raise BadInput("say what to erase: an ID, --run RUN or --agent AGENT; `bailiwick effects ls` lists what there is")
    reading = Reading(home)
    chosen: set[EffectId] = {reading.named(given).intent.id for given in ids}
    if run is not None:
        opened_by = reading.named(run, OPENING).intent.id
        chosen |= {opened_by, *those_under(reading.effects, run_of(opened_by))}
    whose = None if agent is None else _agent(reading, agent)
    found = asyncio.run(plan_erasure(reading.settings, chosen, whose))
    if found.alive and not force and not dry_run:
        raise Refused(
            f"nothing was erased: {found.alive[0]}{f' and {len(found.alive) - 1} more' if len(found.alive) > 1 else ''} has not ended, and "
            "could not be resumed without what it was given and returned; let it end, or say --force",
            runs=list(found.alive),
        )
    erased = agree_and_erase(reading.settings, found, why, dry_run=dry_run, yes=yes, quiet=as_json)
    if as_json:
        print_json(as_dict(found) | {"erased": erased})
    elif not dry_run:
        click.echo(f"{erased} payloads were erased")


def agree_and_erase(settings: Settings, found: Holdings, why: str, *, dry_run: bool, yes: bool, quiet: bool) -> int:
    """Say what would go, ask, and do it; how many payloads went. Raises `BadInput` if there is nobody to ask."""
    if not quiet or (not yes and not dry_run):
        click.echo(_said(found), err=quiet)
    if dry_run or not found.seqs:
        return 0
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput("nothing was erased: there is nobody here to ask; say --yes, or --dry-run to see what would go")
        if not click.confirm("Erase them for good?", err=True):
            raise click.Abort
    return asyncio.run(take_out(settings, found.seqs, why=why, clock=SystemClock()))


def as_dict(found: Holdings) -> dict[str, Any]:
    """For programs."""
    return {
        "payloads": len(found.seqs),
        "bytes": found.size_bytes,
        "effects": found.effects,
        "states": found.seals,
        "alive": list(found.alive),
    }


def size(size_bytes: int) -> str:
    """A size for people."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}"
    return f"{size_bytes} bytes"


def _said(found: Holdings) -> str:
    if not found.seqs:
        return "there is nothing to erase: it was erased before, or never carried anything"
    states = f", and {found.seals} states of agents" if found.seals else ""
    alive = f"; {len(found.alive)} runs among them have not ended, and could not be resumed" if found.alive else ""
    return f"to be erased for good: {len(found.seqs)} payloads ({size(found.size_bytes)}) of {found.effects} effects{states}{alive}"


def _agent(reading: Reading, text: str) -> AgentId:
    """The agent that is meant: its id, or that of the launch that made it. Raises `NotFound` or `BadInput`."""
    if AgentId(text) in reading.seals:
        return AgentId(text)
    found = [agent for agent in reading.seals if agent.startswith(text) or agent.endswith(text)]
    if len(found) > 1:
        raise BadInput(f"{len(found)} agents have ids that begin or end with {text}: give more of it")
    try:
        return found[0] if found else agent_of(reading.named(text, (Kind.SPAWN, Kind.RUN)).intent.id)
    except NotFound:
        raise NotFound(f"no agent on record has an id that begins or ends with {text}; `bailiwick agents ls` lists them") from None
