"""Playing back: the record as a ledger that gives out what was, and nothing in the place of a tool that would act (invariant 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bailiwick.bailiff.cues import Cues
from bailiwick.effects import Actuator, Intent, Kind, Outcome, Record, Result
from bailiwick.errors import EndOfRecord
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger import Entry, Head, Ledger, Past, Sealed
from bailiwick.mailboxes import Answer, Ask, Envelope, Mailboxes, Receiver

STRUCTURE = frozenset({Kind.RUN, Kind.SPAWN, Kind.ASK})
"""What acts on agents only: it is gone through again, and what comes of it is compared."""


class Playback(Ledger):
    """A record of its own, in ``own``, over that of a run: of what is on record of tools it gives out what it is, of runs, launches and
    asks only that they were asked for. So their code runs again, and nothing else does."""

    def __init__(self, cues: Cues, own: Ledger) -> None:
        self.cues = cues
        self._own = own

    def find(self, effect: EffectId) -> Past | None:
        past = self._own.find(effect)
        recorded = self.cues.recording.effects.get(effect)
        if recorded is None or recorded.seq > self.cues.until or (past is not None and past.outcome is not None):
            return past
        if recorded.intent.kind in STRUCTURE:
            self.cues.score.played(recorded.seq)
            return Past(recorded.intent, None, 0, None, recorded.seq in recorded.erased)
        outcome = self.cues.changed.get(effect, recorded.outcome if recorded.outcome_seq <= self.cues.until else None)
        if outcome is None:
            return past
        return Past(recorded.intent, outcome, recorded.outcome_seq, None, bool(recorded.erased))

    def append(self, *records: Record) -> int:
        whole: list[Record] = []
        for record in records:
            if isinstance(record, Outcome):
                past = self.find(record.id)
                if past is not None and self._own.find(record.id) is None:
                    whole.append(past.intent)
                if past is not None and past.intent.kind in STRUCTURE:
                    recorded = self.cues.recording.effects.get(record.id)
                    self.cues.tell(past.intent, record, recorded, recorded.outcome if recorded is not None else None)
                    self.cues.score.played(recorded.outcome_seq if recorded is not None else 0)
            whole.append(record)
        return self._own.append(*whole)

    async def barrier(self) -> None:
        await self._own.barrier()

    def last_seal(self, agent: AgentId) -> Sealed | None:
        return self._own.last_seal(agent)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        return self._own.entries(after)

    async def erase(self, seqs: Sequence[int]) -> int:
        return await self._own.erase(seqs)

    def head(self) -> Head:
        return self._own.head()

    async def close(self) -> None:
        await self._own.close()


class Played(Actuator):
    """In the place of every tool."""

    def __init__(self, cues: Cues) -> None:
        self._cues = cues

    async def act(self, intent: Intent) -> Result:
        await self._cues.beyond(intent)
        raise EndOfRecord("the replay has ended")

    async def recall(self, intent: Intent, outcome: Outcome, outcome_seq: int) -> None:
        await self._cues.recalled(intent, outcome, outcome_seq)


class Ordered(Mailboxes):
    """Mail that is delivered in the order of the record."""

    def __init__(self, inner: Mailboxes, cues: Cues) -> None:
        self._inner = inner
        self._cues = cues

    async def attach(self, address: str, receive: Receiver, *, capacity: int) -> None:
        await self._inner.attach(address, receive, capacity=capacity)

    async def detach(self, address: str) -> None:
        await self._inner.detach(address)

    async def send(self, envelope: Envelope) -> None:
        if isinstance(envelope.message, Ask):
            await self._cues.asked(envelope.message.intent)
        elif isinstance(envelope.message, Answer) and envelope.message.outcome is not None:
            await self._cues.answered(envelope.message.id)
        await self._inner.send(envelope)

    def release(self, address: str) -> None:
        self._inner.release(address)

    async def close(self) -> None:
        await self._inner.close()
