"""The record in memory: the specification of the port. It survives nothing, not even its process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import cast

from bailiwick.effects import Attempt, Intent, Outcome, Record, Seal
from bailiwick.errors import DuplicateIntent, LedgerUnavailable
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.chain import EMPTY, Entry, Head, link
from bailiwick.ledger.payload import commitment, split
from bailiwick.ledger.port import Ledger, Past, Sealed, past_of

_HASH_BYTES = 32

_NONE: Set[EffectId] = frozenset()


class MemoryLedger(Ledger):
    """Every entry is durable at once, as far as memory is. All methods belong to one event loop.

    Bodies and payloads are kept as bytes, and hashes side by side in one buffer: an entry costs what it holds and some 170 bytes.
    """

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._payloads: list[bytes] = []
        self._erased: dict[int, bytes] = {}
        self._hashes = bytearray()
        self._last_hash = EMPTY.hash
        self._intents: dict[EffectId, int] = {}
        self._attempts: dict[EffectId, int] = {}
        self._outcomes: dict[EffectId, int] = {}
        self._seals: dict[AgentId, int] = {}
        self._closed = False

    def append(self, *records: Record) -> int:
        if self._closed:
            raise _closed()
        if len(records) == 1:  # As most are.
            body, payload = split(records[0])
            self._admit(records[0], _NONE, _NONE)
            return self._put(records[0], body, payload)
        parts = [split(record) for record in records]
        begun: set[EffectId] = set()
        ended: set[EffectId] = set()
        for record in records:
            self._admit(record, begun, ended)
            if isinstance(record, Intent):
                begun.add(record.id)
            elif isinstance(record, Outcome):
                ended.add(record.id)
        # Nothing above this line has changed anything, and nothing below it can refuse.
        for record, (body, payload) in zip(records, parts, strict=True):
            self._put(record, body, payload)
        return len(self._bodies)

    async def barrier(self) -> None:
        if self._closed:
            raise _closed()

    def find(self, effect: EffectId) -> Past | None:
        intent = self._intents.get(effect)
        if intent is None:
            return None
        outcome, attempt = self._outcomes.get(effect), self._attempts.get(effect)
        return past_of(self._entry(intent), self._entry(outcome) if outcome else None, self._entry(attempt) if attempt else None)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        seq = self._seals.get(agent)
        if seq is None:
            return None
        return Sealed(seq, cast(Seal, self._entry(seq).record))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        for seq in range(max(after, 0) + 1, len(self._bodies) + 1):
            yield self._entry(seq)

    async def erase(self, seqs: Sequence[int]) -> int:
        if self._closed:
            raise _closed()
        found = [seq for seq in sorted(set(seqs)) if 0 < seq <= len(self._bodies) and self._payloads[seq - 1]]
        for seq in found:
            self._erased[seq] = commitment(self._payloads[seq - 1])
            self._payloads[seq - 1] = b""
        return len(found)

    def head(self) -> Head:
        return Head(len(self._bodies), self._last_hash)

    async def close(self) -> None:
        self._closed = True

    def _put(self, record: Record, body: bytes, payload: bytes) -> int:
        seq = len(self._bodies) + 1
        if isinstance(record, Intent):
            self._intents[record.id] = seq
        elif isinstance(record, Outcome):
            self._outcomes[record.id] = seq
        elif isinstance(record, Seal):
            self._seals[record.agent] = seq
        elif isinstance(record, Attempt):
            self._attempts[record.id] = seq
        self._last_hash = link(self._last_hash, body, commitment(payload))
        self._hashes += self._last_hash
        self._bodies.append(body)
        self._payloads.append(payload)
        return seq

    def _admit(self, record: Record, begun: Set[EffectId], ended: Set[EffectId]) -> None:
        """Raise `DuplicateIntent` if ``record`` may not follow what is there and what the same call ``begun`` and ``ended`` before it."""
        if isinstance(record, Intent):
            effect = record.id
            if effect in self._intents or effect in begun:
                raise DuplicateIntent(f"effect {effect} is on record already", effect=effect)
        elif isinstance(record, (Outcome, Attempt)):
            effect = record.id
            if effect not in self._intents and effect not in begun:
                raise DuplicateIntent(f"effect {effect} has no intent that this could belong to", effect=effect)
            if effect in self._outcomes or effect in ended:
                raise DuplicateIntent(f"effect {effect} has its outcome already", effect=effect)

    def _entry(self, seq: int) -> Entry:
        end = seq * _HASH_BYTES
        return Entry(
            seq=seq,
            hash=bytes(self._hashes[end - _HASH_BYTES : end]),
            body=self._bodies[seq - 1],
            payload=self._payloads[seq - 1],
            erased=self._erased.get(seq, b""),
        )


def _closed() -> LedgerUnavailable:
    return LedgerUnavailable("the ledger is closed; open another one to write")
