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
        # All that can be refused is refused before the first change.
        bodies = [encode(record) for record in records]
        for place, record in enumerate(records):
            self._refuse_twice(record, records[:place])
        for record, body in zip(records, bodies, strict=False):
            self._last_hash = link(self._last_hash, body)
            self._hashes += self._last_hash
            self._bodies.append(body)
            self._note(record, len(self._bodies))
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

    def _refuse_twice(self, record: Record, earlier: Sequence[Record]) -> None:
        """``earlier`` stands before ``record`` in the same call: an intent and its outcome may come together, in this order."""
        if isinstance(record, Seal):
            return
        effect = record.id
        begun = effect in self._intents or (earlier and any(isinstance(other, Intent) and other.id == effect for other in earlier))
        if isinstance(record, Intent):
            if begun:
                raise DuplicateIntent(f"effect {effect} is on record already", effect=effect)
        elif not begun:
            raise DuplicateIntent(f"effect {effect} has no intent that this could be the outcome of", effect=effect)
        elif effect in self._outcomes or (earlier and any(isinstance(other, Outcome) and other.id == effect for other in earlier)):
            raise DuplicateIntent(f"effect {effect} has its outcome already", effect=effect)

    def _note(self, record: Record, seq: int) -> None:
        if isinstance(record, Intent):
            self._intents[record.id] = seq
        elif isinstance(record, Outcome):
            self._outcomes[record.id] = seq
        else:
            self._seals[record.agent] = seq

    def _entry(self, seq: int) -> Entry:
        end = seq * _HASH_BYTES
        return Entry(seq=seq, hash=bytes(self._hashes[end - _HASH_BYTES : end]), body=self._bodies[seq - 1])
