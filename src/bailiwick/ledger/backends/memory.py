"""The record in memory: the specification of the port. It survives nothing, not even its process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from bailiwick.codec import encode
from bailiwick.effects import Intent, Outcome, Record, Seal
from bailiwick.errors import DuplicateIntent, LedgerUnavailable
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.chain import EMPTY, Entry, Head, link
from bailiwick.ledger.port import Ledger, Past, Sealed

_HASH_BYTES = 32


class MemoryLedger(Ledger):
    """Every entry is durable at once, as far as memory is. All methods belong to one event loop.

    Bodies are kept as bytes, and hashes side by side in one buffer: an entry costs its body and some 130 bytes.
    """

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._hashes = bytearray()
        self._last_hash = EMPTY.hash
        self._intents: dict[EffectId, int] = {}
        self._outcomes: dict[EffectId, int] = {}
        self._seals: dict[AgentId, int] = {}
        self._closed = False

    def append(self, *records: Record) -> int:
        if self._closed:
            raise LedgerUnavailable("the ledger is closed; open another one to write")
        if len(records) > 1:
            self._rehearse(records)
        for record in records:
            self._append(record)
        return len(self._bodies)

    async def barrier(self) -> None:
        if self._closed:
            raise LedgerUnavailable("the ledger is closed; open another one to write")

    def find(self, effect: EffectId) -> Past | None:
        intent_seq = self._intents.get(effect)
        if intent_seq is None:
            return None
        intent = cast(Intent, self._entry(intent_seq).record)
        outcome_seq = self._outcomes.get(effect)
        if outcome_seq is None:
            return Past(intent, None, 0)
        return Past(intent, cast(Outcome, self._entry(outcome_seq).record), outcome_seq)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        seq = self._seals.get(agent)
        if seq is None:
            return None
        return Sealed(seq, cast(Seal, self._entry(seq).record))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        for seq in range(max(after, 0) + 1, len(self._bodies) + 1):
            yield self._entry(seq)

    def head(self) -> Head:
        return Head(len(self._bodies), self._last_hash)

    async def close(self) -> None:
        self._closed = True

    def _append(self, record: Record) -> None:
        body = encode(record)
        seq = len(self._bodies) + 1
        if isinstance(record, Intent):
            if record.id in self._intents:
                raise _twice(record)
            self._intents[record.id] = seq
        elif isinstance(record, Outcome):
            if record.id in self._outcomes or record.id not in self._intents:
                raise _twice(record)
            self._outcomes[record.id] = seq
        else:
            self._seals[record.agent] = seq
        self._last_hash = link(self._last_hash, body)
        self._hashes += self._last_hash
        self._bodies.append(body)

    def _rehearse(self, records: Sequence[Record]) -> None:
        """Raise what appending ``records`` one after another would raise, before the first of them has changed anything."""
        begun: set[EffectId] = set()
        ended: set[EffectId] = set()
        for record in records:
            encode(record)
            if isinstance(record, Intent):
                if record.id in self._intents or record.id in begun:
                    raise _twice(record)
                begun.add(record.id)
            elif isinstance(record, Outcome):
                if record.id in self._outcomes or record.id in ended or not (record.id in self._intents or record.id in begun):
                    raise _twice(record)
                ended.add(record.id)

    def _entry(self, seq: int) -> Entry:
        end = seq * _HASH_BYTES
        return Entry(seq=seq, hash=bytes(self._hashes[end - _HASH_BYTES : end]), body=self._bodies[seq - 1])


def _twice(record: Intent | Outcome) -> DuplicateIntent:
    what = (
        "is on record already" if isinstance(record, Intent) else "has its outcome already, or no intent that this could be the outcome of"
    )
    return DuplicateIntent(f"effect {record.id} {what}", effect=record.id)
