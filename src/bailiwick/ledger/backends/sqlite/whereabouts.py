"""Where on the record an effect or a seal stands: the newest in memory, all others in the file's index.

The index lags behind the entries and catches up by thousands (`migrations` say why). Until it has, a `Shelf` knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from bailiwick.effects import Attempt, Intent, Outcome, Record, Seal
from bailiwick.errors import DuplicateIntent
from bailiwick.ids import AgentId, EffectId, root_key
from bailiwick.ledger.backends.sqlite.file import Query, key

SHELF_ENTRIES = 16_384
"""The index is brought up to date each time this many entries were appended: at most so many are read again after a crash."""

_FILTER_BYTES = 1 << 21
_FILTER_MASK = _FILTER_BYTES - 1


Place = tuple[int, int, int]
"""Numbers of an intent, of its outcome and of its newest further attempt; 0 for what is not there."""

NOWHERE: Place = (0, 0, 0)


def moved(place: Place, record: Intent | Outcome | Attempt, seq: int) -> Place:
    """``place``, now that ``record`` of the same effect stands at ``seq``."""
    intent, outcome, attempt = place
    if isinstance(record, Intent):
        return (seq, outcome, attempt)
    return (intent, seq, attempt) if isinstance(record, Outcome) else (intent, outcome, seq)


class Shelf:
    """Where some entries stand that the index does not have yet."""

    __slots__ = ("effects", "filed", "seals", "upto")

    def __init__(self, *, filed: bool = False) -> None:
        self.effects: dict[EffectId, Place] = {}
        self.seals: dict[AgentId, int] = {}
        self.upto = 0
        """The newest entry on it, once nothing is put on it any more."""
        self.filed = filed
        """Whether the index has it by now. Set by the writing thread."""


class Older(Protocol):
    """The segments that were put aside, which know where else something may stand."""

    @property
    def newest_root(self) -> str:
        """The largest `root_key` in their indexes."""
        ...

    def of_effect(self, effect: EffectId) -> Place:
        """Where ``effect`` stands; `NOWHERE` if none of them knows."""
        ...

    def of_seal(self, agent: AgentId) -> int:
        """Where the newest seal of ``agent`` stands; 0 if none of them knows."""
        ...


class Whereabouts:
    """The loop's thread puts records on the young shelf; when that is full it becomes the ripe one, which the writing thread files."""

    def __init__(self, query: Query, indexed_seq: int, older: Older) -> None:
        self._query = query
        self.older = older
        """Asked when the file that is written does not know; replaced whenever that is."""
        self.young = Shelf()
        self.ripe = Shelf(filed=True)
        self._full_at = indexed_seq + SHELF_ENTRIES
        self._newest_root = max(_newest_root(query), older.newest_root)
        self._filter = bytearray()

    def of_effect(self, effect: EffectId) -> Place:
        """Where ``effect`` stands; `NOWHERE` if it is not on record."""
        found = self.young.effects.get(effect) or self.ripe.effects.get(effect)
        if found is not None:
            return found
        if root_key(effect) > self._newest_root and not (self._filter and self._may_be_filed(effect)):
            return NOWHERE
        rows = self._query("SELECT intent, outcome, attempt FROM effects WHERE id = ?", (key(effect),))
        return rows[0] if rows else self.older.of_effect(effect)

    def of_seal(self, agent: AgentId) -> int:
        """Where the newest seal of ``agent`` stands; 0 if there is none."""
        found = self.young.seals.get(agent) or self.ripe.seals.get(agent)
        if found is not None:
            return found
        rows = self._query("SELECT seq FROM seals WHERE agent = ?", (key(agent),))
        return rows[0][0] if rows else self.older.of_seal(agent)

    def admit(self, records: Sequence[Record], after: int) -> None:
        """Note that ``records`` stand after entry ``after``. Raises `DuplicateIntent`; then none was noted."""
        if len(records) == 1:
            self._note(records[0], after + 1, self.young)
        else:
            shelf = Shelf()
            for seq, record in enumerate(records, after + 1):
                self._note(record, seq, shelf)
            self.young.effects.update(shelf.effects)
            self.young.seals.update(shelf.seals)
        if after >= self._full_at and self.ripe.filed:
            self.young.upto = after + len(records)
            self._full_at = after + SHELF_ENTRIES
            self.ripe, self.young = self.young, Shelf()

    def recall(self, record: Record, seq: int) -> None:
        """Note a record that the file has and the index, perhaps, has not: it may have been filed just before a crash."""
        if isinstance(record, Intent | Outcome | Attempt):
            self.young.effects[record.id] = moved(self.of_effect(record.id), record, seq)
        elif isinstance(record, Seal):
            self.young.seals[record.agent] = seq

    def mark_filed(self, effects: Iterable[EffectId]) -> None:
        """Called by the writing thread when the index has ``effects``."""
        bits = self._filter or bytearray(_FILTER_BYTES)
        for bit in map(hash, effects):
            bits[bit >> 3 & _FILTER_MASK] |= 1 << (bit & 7)
        self._filter = bits

    def _note(self, record: Record, seq: int, shelf: Shelf) -> None:
        # Each effect is noted with its intent, wherever that stood, so that a row of the index is always written whole.
        if isinstance(record, (Outcome, Attempt)):
            effect = record.id
            intent, outcome, attempt = shelf.effects.get(effect) or self.of_effect(effect)
            if not intent:
                raise DuplicateIntent(f"effect {effect} has no intent that this could belong to", effect=effect)
            if outcome:
                raise DuplicateIntent(f"effect {effect} has its outcome already", effect=effect)
            shelf.effects[effect] = (intent, seq, attempt) if isinstance(record, Outcome) else (intent, 0, seq)
        elif isinstance(record, Intent):
            effect = record.id
            if (shelf.effects.get(effect) or self.of_effect(effect))[0]:
                raise DuplicateIntent(f"effect {effect} is on record already", effect=effect)
            shelf.effects[effect] = (seq, 0, 0)
        elif isinstance(record, Seal):
            shelf.seals[record.agent] = seq

    def _may_be_filed(self, effect: EffectId) -> bool:
        """False only if this process has filed no such effect. What others filed has an older root.

        A filter with one hash function (Bloom, 1970, with k = 1): 2 MiB, and of a million effects filed, 6 % of the questions
        about new ones still go to the file. Without it each new effect would cost a query that finds nothing.
        """
        bit = hash(effect)
        return self._filter[bit >> 3 & _FILTER_MASK] & 1 << (bit & 7) != 0


def _newest_root(query: Query) -> str:
    """The largest `root_key` in the index; where an id has no such key, something larger than any."""
    # Each alone goes to an end of the index; both at once would read all of it.
    smallest, largest = query("SELECT (SELECT min(id) FROM effects), (SELECT max(id) FROM effects)", ())[0]
    if largest is None:
        return ""
    # SQLite sorts every text before every blob.
    return "\U0010ffff" if isinstance(smallest, str) else root_key(f"eff_{largest.hex()}")
