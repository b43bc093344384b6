"""Migration: a run whose code changed goes on with the new code, from its last seal.

Up to the seal the record is read as before: the run is entered there, at positions of a new *generation*, which no older code ever asked
at. So what the old code did after the seal is not read any more. It stays on the record, and what it changed in the world stays changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from bailiwick import codec
from bailiwick.agents import digest_of
from bailiwick.bailiff.opening import authority_of, open_record
from bailiwick.bailiff.recording import Recording
from bailiwick.bailiff.root import Main
from bailiwick.bailiff.settings import Settings
from bailiwick.clock import Clock
from bailiwick.effects import Effect, Intent, Kind, Outcome, Reentry, Seal, Settlement, Settler, Status
from bailiwick.errors import Refused
from bailiwick.gateway import Gateway
from bailiwick.ids import AgentId, RunId, agent_of, ask_of, run_of

STATELESS = codec.encode({})
"""The state of an agent that has none."""


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """What a migration would do."""

    run: RunId
    agent: AgentId
    """Whose run it is."""
    tool: str
    seal_seq: int
    """The entry from which the run goes on; 0 if it was never sealed, and begins anew."""
    entry: Reentry
    """Where it goes on."""
    code_then: str
    code_now: str
    """Digests of its code; empty where they are not known."""
    unread: tuple[Effect, ...]
    """What it did since, here and in the runs it asked for: the new code does not read it."""
    cancelled: tuple[Intent, ...]
    """What it had asked and has no answer to: those questions are taken back."""
    doubtful: tuple[Intent, ...]
    """What may have happened, and stays in doubt until somebody settles it."""
    forgotten: tuple[Intent, ...]
    """What the agent answered to others since: the answers stand, what they changed in its state does not."""
    seal: Seal

    @property
    def changed_the_world(self) -> tuple[Effect, ...]:
        """Those of ``unread`` that did, or may have done, more than look or compute."""
        acts = (Kind.TOOL, Kind.UNDO)
        refused = (Status.REFUSED,)
        return tuple(
            effect
            for effect in self.unread
            if effect.intent.kind in acts
            and effect.intent.effect.leaves_traces
            and not (effect.outcome is not None and effect.outcome.status in refused)
        )


def plan_migration(recording: Recording, main: Main | None, now_ns: int) -> Migration:
    """How the run that ``recording`` was read for can go on with other code. ``main`` is the code of its root, as it is now.

    Raises `Refused` for a run that has ended, or that no ask began.
    """
    run = recording.run
    opened = recording.effects.get(ask_of(run))
    if opened is None:
        raise Refused(
            f"run {run} was begun by a timer, an event or a loop: there is nothing to migrate, only asks and scripts are gone on with"
        )
    if opened.outcome is not None:
        raise Refused(f"run {run} of `{opened.intent.tool}` is {opened.outcome.status}: it does not go on, so there is nothing to migrate")
    is_root = opened.intent.kind is Kind.RUN
    agent = opened.intent.agent if is_root else AgentId(opened.intent.target or "")
    seals = [(seq, seal) for seq, seal in recording.seals if seal.agent == agent]
    seal_seq, seal = seals[-1] if seals else (0, Seal(agent=agent, state=b"" if is_root else STATELESS))
    before = max((known.runs[run].generation for _, known in seals if run in known.runs), default=0)
    entry = replace(seal.runs.get(run, Reentry(asked=0)), generation=before + 1)
    unread = tuple(effect for effect in _below(recording, run) if effect.seq > seal_seq)
    ended = [effect for effect in recording.effects.values() if effect.outcome_seq > seal_seq and effect.intent.target == agent]
    return Migration(
        run=run,
        agent=agent,
        tool=opened.intent.tool,
        seal_seq=seal_seq if run in seal.runs else 0,
        entry=entry,
        code_then=opened.intent.code,
        code_now=_code_now(recording, opened.intent, agent, main),
        unread=unread,
        cancelled=tuple(effect.intent for effect in unread if _is_left_open(effect)),
        doubtful=tuple(effect.intent for effect in unread if effect.is_doubtful),
        forgotten=tuple(effect.intent for effect in ended if effect.intent.kind is Kind.ASK),
        seal=replace(seal, at_ns=now_ns, runs={**seal.runs, run: entry}),
    )


async def migrate(settings: Settings, plan: Migration, who: str, clock: Clock) -> None:
    """Put ``plan`` on record, durable when this returns: all of it, or nothing. Raises what `open_record` does."""
    async with open_record(settings, clock) as ledger:
        settlement = Settlement(by=Settler.PERSON, who=who, why=f"superseded by migration of {plan.run}")
        now_ns = clock.now_ns()
        outcomes = [
            Outcome(id=intent.id, status=Status.CANCELLED, started_ns=intent.at_ns, ended_ns=now_ns, settlement=settlement)
            for intent in plan.cancelled
        ]
        Gateway(ledger, authority_of(settings, clock), clock).supersede(outcomes, plan.seal)


def _below(recording: Recording, run: RunId) -> Iterator[Effect]:
    """The effects of ``run`` and of every run that was asked for in it, in the order of the record."""
    inside = {run}
    for effect in recording.effects.values():
        if effect.intent.run in inside and effect.intent.kind is not Kind.RUN:
            yield effect
            if effect.intent.kind is Kind.ASK:
                inside.add(run_of(effect.intent.id))


def _is_left_open(effect: Effect) -> bool:
    """Whether nobody will ask for it again. One-way asks wait for nobody: they are delivered all the same."""
    return effect.outcome is None and not effect.is_doubtful and not effect.intent.oneway


def _code_now(recording: Recording, opened: Intent, agent: AgentId, main: Main | None) -> str:
    if main is None:
        return ""
    if opened.kind is Kind.RUN:
        return digest_of(main)
    launch = next((effect.intent for effect in recording.effects.values() if agent_of(effect.intent.id) == agent), None)
    if launch is None or launch.kind is not Kind.SPAWN:
        return ""
    module, _, kind = str(codec.decode(launch.arguments, dict[str, Any]).get("path")).partition(":")
    found: Any = sys.modules.get(module)
    for part in (*kind.split("."), opened.tool.rpartition(".")[2]):
        found = getattr(found, part, None)
    return digest_of(found) if callable(found) else ""
