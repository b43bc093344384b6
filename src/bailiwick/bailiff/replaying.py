"""`replay`: a run from its record alone. Its code runs again; nothing it does reaches the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from bailiwick.bailiff.compose import open_bailiwick
from bailiwick.bailiff.cues import Cues, Step, equal
from bailiwick.bailiff.opening import open_ledger
from bailiwick.bailiff.playback import Ordered, Playback, Played
from bailiwick.bailiff.recorded_time import RecordedClock, RecordedLoop
from bailiwick.bailiff.recording import Recording, question
from bailiwick.bailiff.root import Main
from bailiwick.bailiff.settings import Settings
from bailiwick.charter import Charter, Rule
from bailiwick.effects import Outcome
from bailiwick.errors import EndOfRecord
from bailiwick.grants import Budget
from bailiwick.ids import RunId
from bailiwick.ledger import BranchLedger, Ledger

ANYTHING = Charter(allow=(Rule(),))
"""Nothing acts in a replay, so there is nothing to forbid: what the charter said then stands on the record."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a replay."""

    run: RunId
    reproduced: bool
    """Everything on record was gone through again, and the same came of it."""
    ended: bool
    """Whether the run has ended; else the replay went as far as its record does."""
    steps: int
    """How many effects were gone through."""
    apart: int = 0
    """How many effects of control loops, or of shutting down, were not: they have no stable places."""
    why: str = ""
    """What is different, or where the record ends."""
    outcome: Outcome | None = None
    """What came of it now."""


def replay(
    settings: Settings, recording: Recording, main: Main, watch: Callable[[Step], None] = lambda step: None, *, seal_seq: int | None = None
) -> Replayed:
    """Go through ``recording`` again with ``main`` as the code of its root, and compare. ``watch`` is called with each effect.

    With ``seal_seq`` only what came after that entry is gone through again: agents go on from their seals before it. By default it is
    the entry with which the run was last migrated to other code, because what came before was asked by code that is gone.

    Nothing is written, no worker is started, and waiting takes no time. Control loops (``@loop``) are not gone through again. Raises
    `ReplayDiverged` with both questions if the code asks something else than it did, `EndOfRecord` if it asks more.
    """
    playing: list[Cues] = []

    def beyond(due_ns: int | None) -> bool:
        return playing[0].may_wait(due_ns) if playing else due_ns is not None

    with asyncio.Runner(loop_factory=lambda: RecordedLoop(recording.root.intent.at_ns, beyond)) as runner:
        return runner.run(_replay(settings, recording, main, watch, seal_seq if seal_seq is not None else recording.migrated_seq, playing))


async def _replay(
    settings: Settings, recording: Recording, main: Main, watch: Callable[[Step], None], seal_seq: int, playing: list[Cues]
) -> Replayed:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, RecordedLoop)
    steps = 0

    def counting(step: Step) -> None:
        nonlocal steps
        steps += 1
        watch(step)

    name, root = recording.name, recording.root
    harmless = replace(settings, ledger="memory", charter=ANYTHING, budget=Budget())
    cues = Cues(recording, loop, counting, after=seal_seq)
    playback = Playback(cues, _beginning(harmless, recording, seal_seq))
    played = Played(cues)
    playing.append(cues)
    async with open_bailiwick(
        harmless,
        clock=RecordedClock(loop),
        ledger=playback,
        around=lambda _: lambda _: played,
        carrying=lambda mail: Ordered(mail, cues),
    ) as bw:
        task = asyncio.ensure_future(bw.resume(main, name=name, run=root.intent.run))
        await asyncio.wait([task, cues.stopped], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        error = cues.stopped.exception() if cues.stopped.done() else None
        error = error or (None if task.cancelled() else task.exception())
        cues.stopped.cancel()
    now = playback.find(root.intent.id)
    if now is None or now.outcome is None:
        if root.outcome is None and isinstance(error, EndOfRecord) and not cues.differing:
            apart = _apart(recording, cues)
            return Replayed(run=recording.run, reproduced=not cues.unmet, ended=False, steps=steps, apart=apart, why=error.message)
        raise error or EndOfRecord("the replay ended before the run did")
    return _compared(recording, cues, now.outcome, steps)


def _compared(recording: Recording, cues: Cues, now: Outcome, steps: int) -> Replayed:
    then = recording.root.outcome
    why = ""
    if cues.differing:
        first = cues.differing[0]
        why = f"`{first.tool}` (run {first.run}, position {first.position or 'root'}) did not come to what it came to then"
    elif cues.unmet:
        intent = cues.unmet[0].intent
        where = f"position {intent.position} of run {intent.run}: `{question(intent)}`"
        why = f"{len(cues.unmet)} effects on record were not asked for again, the first at {where}"
    return Replayed(
        run=recording.run,
        reproduced=not why and (then is None or equal(then, now)),
        ended=then is not None,
        steps=steps,
        apart=_apart(recording, cues),
        why=why,
        outcome=now,
    )


def _apart(recording: Recording, cues: Cues) -> int:
    return sum(effect.intent.run in cues.apart for effect in recording.effects.values())


def _beginning(harmless: Settings, recording: Recording, seal_seq: int) -> Ledger:
    """A record, to be gone on with in memory, on which the run has just begun, or has come as far as ``seal_seq``."""
    own = open_ledger(harmless)
    if seal_seq > recording.root.seq:
        return BranchLedger(recording.ledger, seal_seq, own)
    own.append(recording.root.intent)
    return own
