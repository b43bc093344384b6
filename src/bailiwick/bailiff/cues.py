"""When things come about in a replay: in the order of the record, and what is not on it when nothing else can go on."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from bailiwick.bailiff.recorded_time import RecordedLoop
from bailiwick.bailiff.recording import Recording, question
from bailiwick.bailiff.score import Score
from bailiwick.effects import Effect, Intent, Kind, Outcome, Status
from bailiwick.errors import BailiwickError, EndOfRecord
from bailiwick.gateway import same_question
from bailiwick.ids import EffectId, RunId
from bailiwick.ledger import Past

PATIENCE_NS = 86_400_000_000_000
"""How long code may sleep after the end of the record: a day."""

UNCHANGED: Mapping[EffectId, Outcome] = MappingProxyType({})


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One effect that was gone through again."""

    seq: int
    """The number of its outcome on the record."""
    at_ns: int
    """When it ended, then."""
    depth: int
    effect: EffectId
    run: RunId
    position: str
    kind: Kind
    tool: str
    status: str
    value: bytes
    took_ns: int
    """How long it took then."""
    same: bool
    """Whether the same came of it. What is read from the record always is."""


class Cues:
    """Gives each effect of ``recording`` its turn; ``watch`` is called with each that was gone through.

    Everything up to entry ``after`` is taken as it was. With ``until`` the record is played up to that entry only, and what comes of
    the effects in ``changed`` is that instead: from there on the run is on its own.
    """

    def __init__(
        self,
        recording: Recording,
        loop: RecordedLoop,
        watch: Callable[[Step], None],
        *,
        after: int = 0,
        until: int | None = None,
        changed: Mapping[EffectId, Outcome] = UNCHANGED,
    ) -> None:
        self.recording = recording
        self._loop = loop
        self._watch = watch
        self.until = recording.last_seq if until is None else until
        self.changed = changed
        last = recording.root.outcome_seq or recording.last_seq
        self.apart = recording.unplaced()
        """Runs that are not gone through again; see `Recording.unplaced`."""
        self._unmet = {
            key
            for key, effect in recording.effects.items()
            if effect.intent.kind is Kind.TOOL and after < effect.outcome_seq <= last and effect.intent.run not in self.apart
        }
        self._asked_in: dict[str, list[int]] = {}
        for effect in recording.effects.values():
            self._asked_in.setdefault(effect.intent.run, []).append(effect.seq)
        self.score = Score(loop, self._moments(after))
        self.differing: list[Step] = []
        """Asks and launches of which something else came than then."""
        self._beyond: list[tuple[Intent, asyncio.Future[None]]] = []
        self.stopped: asyncio.Future[None] = loop.create_future()
        """Raises why the replay cannot go on."""

    @property
    def unmet(self) -> list[Effect]:
        """What tools did then and nobody asked for again."""
        return [self.recording.effects[key] for key in self.recording.effects if key in self._unmet]

    def may_wait(self, due_ns: int | None) -> bool:
        """Nothing on record is waited for any more; see `RecordedLoop`. While the record reaches further, code may sleep; then what asked
        for something that is not on record learns so, the oldest question first, but control loops, which are not replayed, last."""
        self._beyond = [(intent, waiter) for intent, waiter in self._beyond if not waiter.done()]
        if due_ns is not None and due_ns <= self.recording.end_ns + (0 if self._beyond else PATIENCE_NS):
            return True
        if self._beyond:
            intent, waiter = min(self._beyond, key=lambda asked: asked[0].run not in self.recording.runs or asked[0].run in self.apart)
            error = self._end_of_record(intent)
            waiter.set_exception(error)
            self._stop(error)
        else:
            self._stop(EndOfRecord("the replay waits for something that is not on record, such as a control loop, which is not replayed"))
        return False

    async def beyond(self, intent: Intent) -> None:
        """Wait for ever, or raise `EndOfRecord` if nothing else can go on; `ReplayDiverged` if the record holds another question."""
        recorded = self.recording.effects.get(intent.id)
        if recorded is not None:
            same_question(Past(recorded.intent, None, 0), intent)
        waiter = self._loop.create_future()
        self._beyond.append((intent, waiter))
        await waiter

    async def recalled(self, intent: Intent, outcome: Outcome, seq: int) -> None:
        """Return when it is the turn of this outcome."""
        await self.asked(intent)
        try:
            await self.score.answer(seq)
        except asyncio.CancelledError:
            if outcome.status is Status.CANCELLED:  # That is how it ended then, too.
                self._unmet.discard(intent.id)
                self.score.played(seq)
            raise
        self._unmet.discard(intent.id)
        self.tell(intent, outcome, self.recording.effects.get(intent.id), outcome)

    async def asked(self, intent: Intent) -> None:
        """Return when it is the turn of this question."""
        recorded = self.recording.effects.get(intent.id)
        if recorded is not None:
            await self.score.question(recorded.seq)

    async def answered(self, ask: str) -> None:
        """Return when it is the turn of the answer to ``ask`` to reach whoever asked."""
        recorded = self.recording.effects.get(EffectId(ask))
        if recorded is not None and recorded.outcome is not None:
            asked = self._asked_in[recorded.intent.run]
            after = bisect_right(asked, recorded.outcome_seq)
            await self.score.delivery(recorded.outcome_seq, asked[after] if after < len(asked) else 0)

    def tell(self, intent: Intent, outcome: Outcome, recorded: Effect | None, then: Outcome | None) -> None:
        """An effect was gone through: ``then`` is what came of it on record."""
        step = Step(
            seq=recorded.outcome_seq if recorded is not None else 0,
            at_ns=(then or outcome).ended_ns,
            depth=self.recording.depth(intent.run) if intent.kind is not Kind.RUN else 0,
            effect=intent.id,
            run=intent.run,
            position=intent.position,
            kind=intent.kind,
            tool=intent.tool,
            status=outcome.status.value,
            value=outcome.value,
            took_ns=then.ended_ns - then.started_ns if then is not None else 0,
            same=then is None or equal(then, outcome),
        )
        if not step.same:
            self.differing.append(step)
        self._watch(step)

    def _moments(self, after: int) -> dict[int, int]:
        """When each entry that will come about again was made."""
        moments: dict[int, int] = {}
        for key, effect in self.recording.effects.items():
            if effect.intent.run in self.apart or effect.intent.kind is Kind.RUN:
                continue
            if after < effect.seq <= self.until:
                moments[effect.seq] = effect.intent.at_ns
            if effect.outcome is not None and (after < effect.outcome_seq <= self.until or key in self.changed):
                moments[effect.outcome_seq] = effect.outcome.ended_ns
        return moments

    def _stop(self, error: BailiwickError) -> None:
        if not self.stopped.done():
            self.stopped.set_exception(error)

    def _end_of_record(self, intent: Intent) -> EndOfRecord:
        asked, where = question(intent), f"run {intent.run}, position {intent.position}"
        facts = {"run": intent.run, "position": intent.position, "asked": asked}
        if self.recording.root.outcome is not None:
            recorded = self.recording.effects.get(intent.id)
            why = "which has no outcome on record" if recorded is not None else "which is not on record: code or inputs changed since"
            return EndOfRecord(f"the replay asks `{asked}` ({where}), {why}. Nothing was done", **facts)
        return EndOfRecord(
            f"the record of this run ends at entry {self.recording.last_seq}, before there was an answer to `{asked}` ({where}). Nothing "
            "was done; resume the run to go on",
            **facts,
        )


def equal(then: Outcome, now: Outcome) -> bool:
    """Whether the same came of an effect twice; times, costs and tracebacks do not count."""
    if then.failure is None or now.failure is None:
        return (then.status, then.value, then.failure) == (now.status, now.value, now.failure)
    return (then.status, then.failure.type, then.failure.message) == (now.status, now.failure.type, now.failure.message)
