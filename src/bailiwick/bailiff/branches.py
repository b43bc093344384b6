"""Going on on a branch, simulated or live; and the branches that are kept."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from bailiwick.bailiff.bailiwick import Bailiwick
from bailiwick.bailiff.branching import Fork, Part, branch_of, changed, compare
from bailiwick.bailiff.compose import open_bailiwick
from bailiwick.bailiff.cues import Cues
from bailiwick.bailiff.opening import open_ledger, read_ledger
from bailiwick.bailiff.playback import Ordered, Playback
from bailiwick.bailiff.recorded_time import RecordedClock, RecordedLoop
from bailiwick.bailiff.recording import Recording
from bailiwick.bailiff.records import Branch
from bailiwick.bailiff.root import Main
from bailiwick.bailiff.settings import Settings
from bailiwick.bailiff.stand_in import Simulation, live
from bailiwick.clock import Clock
from bailiwick.effects import Kind, Outcome, Status
from bailiwick.errors import BadInput, BailiwickError, NotFound, Unsettled
from bailiwick.ids import ask_of
from bailiwick.ledger import Ledger

NOTHING: Mapping[str, bytes] = MappingProxyType({})


class Branched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a run on a branch."""

    branch: Branch
    outcome: Outcome | None
    """What came of the root there; None if it did not get to its end."""
    then: Outcome | None
    """What had come of it on the base."""
    why: str = ""
    """Why it did not get to its end."""
    parts: tuple[Part, ...] = ()
    """Where the two are not alike, in the order of the record."""


def simulate(
    settings: Settings,
    recording: Recording,
    main: Main,
    branch: Branch,
    assumed: Mapping[str, bytes] = NOTHING,
    *,
    anew: bool = True,
) -> Branched:
    """Go on with ``branch`` without touching the world, and compare it with ``recording``, the base.

    The same question at the same position, or else of the same tool with the same arguments, gets what the base got, marked as
    simulated; other pure and reading tools really run; the tools in ``assumed`` return that value; anything else ends the simulation.
    Waiting takes no time. Nothing is kept.

    ``anew``: what both have in common is gone through again from the beginning, in the order of the record, so that agents are in the
    state in which they were. Else, and where the run was migrated, they go on from their seals, as after a crash.
    """
    simulations: list[Simulation] = []

    def beyond(due_ns: int | None) -> bool:
        return simulations[0].may_wait(due_ns) if simulations else due_ns is not None

    async def work() -> Branched:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, RecordedLoop)
        common = [effect.outcome for effect in recording.effects.values() if effect.outcome_seq <= branch.base_seq]
        own = open_ledger(replace(settings, ledger="memory"))
        if anew and not recording.migrated_seq:
            ledger = _played(recording, branch, own, loop)
            carrying, cues = partial(Ordered, cues=ledger.cues), ledger.cues
        else:
            ledger, carrying, cues = Fork(recording, branch, own), None, None
            loop.reach(max((outcome.ended_ns for outcome in common if outcome is not None), default=0))
        simulation = Simulation(recording, branch, loop, assumed, cues)
        simulations.append(simulation)
        clock = RecordedClock(loop)
        async with open_bailiwick(settings, clock=clock, ledger=ledger, around=simulation.around, carrying=carrying) as bw:
            if cues is not None:
                _recall_spent(bw, recording, branch)
            return await _go_on(bw, ledger, recording, main, branch, simulation.stopped)

    with asyncio.Runner(loop_factory=lambda: RecordedLoop(recording.root.intent.at_ns, beyond)) as runner:
        return runner.run(work())


async def go_live(settings: Settings, recording: Recording, main: Main, branch: Branch, clock: Clock) -> Branched:
    """Go on with ``branch`` in the world, through the charter and the budget in ``settings``, and keep what it does beside the record.

    Called again with a branch that did not get to its end, it goes on where that ends. Raises `LedgerUnavailable`.
    """
    own = open_ledger(_settings_of(settings, branch.id))
    stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ledger = Fork(recording, branch, own)
    async with open_bailiwick(settings, clock=clock, ledger=ledger, around=live(branch)) as bw:
        return await _go_on(bw, ledger, recording, main, branch, stopped)


def branches(settings: Settings) -> list[tuple[Branch, str]]:
    """The live branches that are kept, the oldest first, and how each ended: ``done``, ``failed`` or ``open``."""
    found: list[tuple[Branch, str]] = []
    for path in sorted(_home(settings).glob("brn_*")):
        own = read_ledger(_settings_of(settings, path.name))
        branch = branch_of(next(own.entries()))
        past = own.find(ask_of(branch.run))
        found.append((branch, past.outcome.status.value if past is not None and past.outcome is not None else "open"))
    return found


def branch_named(settings: Settings, name: str) -> Branch:
    """The branch with this id. Raises `NotFound`."""
    _ = _place(settings, name)
    return branch_of(next(read_ledger(_settings_of(settings, name)).entries()))


async def remove(settings: Settings, name: str) -> None:
    """Delete the record of a branch; the base does not change. Raises `NotFound`, or `LedgerUnavailable` while somebody writes it."""
    place = _place(settings, name)
    ledger = open_ledger(_settings_of(settings, name))
    await ledger.close()
    shutil.rmtree(place)


async def _go_on(
    bw: Bailiwick, ledger: Ledger, recording: Recording, main: Main, branch: Branch, stopped: asyncio.Future[None]
) -> Branched:
    task = asyncio.ensure_future(bw.resume(main, name=branch.name, run=branch.run))
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    error = stopped.exception() if stopped.done() else None if task.cancelled() else task.exception()
    stopped.cancel()
    await ledger.barrier()
    now = Recording(ledger, branch.run)
    if now.root.outcome is None and isinstance(error, BailiwickError) and not isinstance(error, Unsettled):
        why = error.message
    elif now.root.outcome is None and error is not None:
        raise error
    else:
        why = ""
    parts = tuple(compare(recording, now, branch))
    return Branched(branch=branch, outcome=now.root.outcome, then=recording.root.outcome, why=why, parts=parts)


def _played(recording: Recording, branch: Branch, own: Ledger, loop: RecordedLoop) -> Playback:
    """A record on which the run has just begun, and is gone through again up to where the branch leaves."""
    own.append(recording.root.intent)
    outcomes = {change.effect: recording.effects[change.effect] for change in branch.changes}
    changed_there = {
        change.effect: changed(branch, change, outcome)
        for change in branch.changes
        if (effect := outcomes[change.effect]).seq <= branch.base_seq and (outcome := effect.outcome) is not None
    }
    return Playback(Cues(recording, loop, lambda step: None, until=branch.base_seq, changed=changed_there), own)


def _recall_spent(bw: Bailiwick, recording: Recording, branch: Branch) -> None:
    """What tools had cost before the branch left is spent."""
    for effect in recording.effects.values():
        outcome = effect.outcome
        if effect.intent.kind is not Kind.TOOL or outcome is None or effect.outcome_seq > branch.base_seq:
            continue
        if outcome.status is not Status.REFUSED:
            bw.purse.recall(effect.intent.tool, outcome.cost, 1)


def _home(settings: Settings) -> Path:
    return settings.home_path / "branches"


def _settings_of(settings: Settings, name: str) -> Settings:
    """Where the record of a branch is kept."""
    return replace(settings, ledger="sqlite", home=str(_home(settings) / name))


def _place(settings: Settings, name: str) -> Path:
    place = _home(settings) / name
    if not re.fullmatch(r"brn_[0-9a-f]{32}", name):
        raise BadInput(f"{name} is no branch: their ids begin with brn_; `bailiwick runs branches` lists them")
    if not place.is_dir():
        raise NotFound(f"no branch {name} is kept; `bailiwick runs branches` lists them")
    return place
