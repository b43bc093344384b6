"""The record in memory: the specification of the port. It survives nothing, not even its process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from bailiwick.effects import Attempt, Attestation, Erasure, Intent, Outcome, Record, Seal
from bailiwick.errors import DuplicateIntent, LedgerUnavailable
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.chain import EMPTY, Entry, Head, link
from bailiwick.ledger.payload import commitment, split
from bailiwick.ledger.port import Ledger, Past, Sealed, past_of

_HASH_BYTES = 32


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
        self._refuse_if_closed()
        parts = [split(record) for record in records]
        self._rehearse(records)  # The last line that can refuse; until here nothing has changed.
        for record, (body, payload) in zip(records, parts, strict=True):
            self._append(record, body, payload)
        return len(self._bodies)

    async def barrier(self) -> None:
        self._refuse_if_closed()

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
        self._refuse_if_closed()
        found = [seq for seq in sorted(set(seqs)) if 0 < seq <= len(self._bodies) and self._payloads[seq - 1]]
        for seq in found:
            self._erased[seq] = commitment(self._payloads[seq - 1])
            self._payloads[seq - 1] = b""
        return len(found)

    def head(self) -> Head:
        return Head(len(self._bodies), self._last_hash)

    async def close(self) -> None:
        self._closed = True

    def _append(self, record: Record, body: bytes, payload: bytes) -> None:
        seq = len(self._bodies) + 1
        match record:
            case Intent():
                self._intents[record.id] = seq
            case Attempt():
                self._attempts[record.id] = seq
            case Outcome():
                self._outcomes[record.id] = seq
            case Seal():
                self._seals[record.agent] = seq
            case Attestation() | Erasure():
                pass
        self._last_hash = link(self._last_hash, body, commitment(payload))
        self._hashes += self._last_hash
        self._bodies.append(body)
        self._payloads.append(payload)

    def _rehearse(self, records: Sequence[Record]) -> None:
        """Raise what appending ``records`` one after another would raise, before the first of them has changed anything."""
        begun: set[EffectId] = set()
        ended: set[EffectId] = set()
        for record in records:
            match record:
                case Intent(id=effect):
                    if effect in self._intents or effect in begun:
                        raise DuplicateIntent(f"effect {effect} is on record already", effect=effect)
                    begun.add(effect)
                case Attempt(id=effect) | Outcome(id=effect):
                    if effect not in self._intents and effect not in begun:
                        raise DuplicateIntent(f"effect {effect} has no intent that this could belong to", effect=effect)
                    if effect in self._outcomes or effect in ended:
                        raise DuplicateIntent(f"effect {effect} has its outcome already", effect=effect)
                    if isinstance(record, Outcome):
                        ended.add(effect)
                case _:
                    pass

    def _entry(self, seq: int) -> Entry:
        end = seq * _HASH_BYTES
        return Entry(
            seq=seq,
            hash=bytes(self._hashes[end - _HASH_BYTES : end]),
            body=self._bodies[seq - 1],
            payload=self._payloads[seq - 1],
            erased=self._erased.get(seq, b""),
        )

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise LedgerUnavailable("the ledger is closed; open another one to write")
