"""A record that leaves another one at some point and goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from bailiwick.effects import Attempt, Intent, Outcome, Record, Seal
from bailiwick.errors import DuplicateIntent
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.chain import Entry, Head
from bailiwick.ledger.port import Ledger, Past, Sealed


class BranchLedger(Ledger):
    """The first ``upto_seq`` entries of ``base``, followed by those of ``own``. ``base`` is never written.

    Nothing is copied: an entry of the base costs nothing, however many there are; to open a branch, what stands in the base *after* it
    is read once. What is written goes to ``own``, whose chain begins anew: whoever makes the branch puts the base's head at ``upto_seq``
    into its first entry, and so each part is proved by its own chain and the joint by comparing that head. Entries are numbered through.

    ``seals_until``: of the base, only seals up to this number are there, so that agents go on from those; the default is all of them.
    """

    def __init__(self, base: Ledger, upto_seq: int, own: Ledger, *, seals_until: int | None = None) -> None:
        self._base = base
        self._own = own
        self._upto = upto_seq
        self._seals_until = upto_seq if seals_until is None else min(seals_until, upto_seq)
        self._unborn: set[EffectId] = set()
        """Effects that the base begins after this branch left it."""
        self._tried: dict[EffectId, Attempt | None] = {}
        """Effects that the base tries again after this branch left it, and the newest try before."""
        self._seals: dict[AgentId, Sealed] | None = None
        for entry in base.entries(upto_seq):
            match entry.record:
                case Intent(id=effect):
                    self._unborn.add(effect)
                case Attempt(id=effect):
                    self._tried[effect] = None
                case _:
                    pass
        self._tried = {effect: None for effect in self._tried if effect not in self._unborn}
        self._again: set[EffectId] = {
            entry.record.id for entry in own.entries() if isinstance(entry.record, Intent) and self._in_base(entry.record.id) is not None
        }
        """Effects of the base that were open where this branch left it: their intents stand in `own` once more."""
        if self._tried:
            for record in (entry.record for entry in self._prefix()):
                if isinstance(record, Attempt) and record.id in self._tried:
                    self._tried[record.id] = record

    def append(self, *records: Record) -> int:
        whole: list[Record] = []
        begun = {record.id for record in records if isinstance(record, Intent)}
        for record in records:
            if isinstance(record, Intent | Attempt | Outcome) and (past := self._in_base(record.id)) is not None:
                if isinstance(record, Intent):
                    raise DuplicateIntent(f"effect {record.id} is on record already", effect=record.id)
                if past.outcome is not None:
                    raise DuplicateIntent(f"effect {record.id} has its outcome already", effect=record.id)
                if record.id not in begun and self._own.find(record.id) is None:
                    begun.add(record.id)
                    self._again.add(record.id)
                    whole.append(past.intent)
            whole.append(record)
        return self._upto + self._own.append(*whole)

    async def barrier(self) -> None:
        await self._own.barrier()

    def find(self, effect: EffectId) -> Past | None:
        own = self._own.find(effect)
        if own is None:
            return self._in_base(effect)
        return own._replace(outcome_seq=own.outcome_seq + self._upto if own.outcome_seq else 0)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        own = self._own.last_seal(agent)
        if own is not None:
            return own._replace(seq=own.seq + self._upto)
        sealed = self._base.last_seal(agent)
        if sealed is None or sealed.seq <= self._seals_until:
            return sealed
        if self._seals is None:
            self._seals = {}
            for entry in self._prefix():
                if entry.seq <= self._seals_until and isinstance(record := entry.record, Seal):
                    self._seals[record.agent] = Sealed(entry.seq, record)
        return self._seals.get(agent)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        for entry in self._prefix(after):
            if entry.seq <= self._seals_until or not isinstance(entry.record, Seal):
                yield entry
        for entry in self._own.entries(max(after - self._upto, 0)):
            if not (isinstance(record := entry.record, Intent) and record.id in self._again):
                yield msgspec.structs.replace(entry, seq=entry.seq + self._upto)

    async def erase(self, seqs: Sequence[int]) -> int:
        return await self._own.erase([seq - self._upto for seq in seqs if seq > self._upto])

    def head(self) -> Head:
        own = self._own.head()
        if own.seq:
            return Head(own.seq + self._upto, own.hash)
        return next((Head(entry.seq, entry.hash) for entry in self._base.entries(self._upto - 1)), own) if self._upto else own

    async def close(self) -> None:
        await self._own.close()

    def _prefix(self, after: int = 0) -> Iterator[Entry]:
        for entry in self._base.entries(after):
            if entry.seq > self._upto:
                return
            yield entry

    def _in_base(self, effect: EffectId) -> Past | None:
        past = None if effect in self._unborn else self._base.find(effect)
        if past is None:
            return None
        if past.outcome_seq > self._upto:
            past = past._replace(outcome=None, outcome_seq=0)
        return past._replace(attempt=self._tried[effect]) if effect in self._tried else past
