"""Where on the record an effect or a seal stands: the newest in memory, all others in the file's index.

The index lags behind the entries and catches up by thousands (`schema.sql` says why). Until it has, a `Shelf` knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.effects import Intent, Outcome, Record
from bailiwick.errors import DuplicateIntent
from bailiwick.ids import AgentId, EffectId, root_key
from bailiwick.ledger.backends.sqlite.file import Query, key

SHELF_ENTRIES = 32_768
"""The index is brought up to date each time this many entries were appended: at most so many are read again after a crash."""

_FILTER_BITS = 1 << 24


class Place:
    """Numbers of an intent and of its outcome; 0 for what is not there."""

    __slots__ = ("intent", "outcome")

    def __init__(self, intent: int, outcome: int) -> None:
        self.intent = intent
        self.outcome = outcome


NOWHERE = Place(0, 0)


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


class Whereabouts:
    """The loop's thread puts records on the young shelf; when that is full it becomes the ripe one, which the writing thread files."""

    def __init__(self, query: Query, indexed_seq: int) -> None:
        self._query = query
        self.young = Shelf()
        self.ripe = Shelf(filed=True)
        self._young_since = indexed_seq
        self._newest_root = _newest_root(query)
        self._filter = bytearray()

    def of_effect(self, effect: EffectId) -> Place:
        """Where ``effect`` stands; `NOWHERE` if it is not on record."""
        found = self.young.effects.get(effect) or self.ripe.effects.get(effect)
        if found is not None:
            return found
        if not self._may_be_filed(effect):
            return NOWHERE
        rows = self._query("SELECT intent, outcome FROM effects WHERE id = ?", (key(effect, "eff_"),))
        return Place(*rows[0]) if rows else NOWHERE

    def of_seal(self, agent: AgentId) -> int:
        """Where the newest seal of ``agent`` stands; 0 if there is none."""
        found = self.young.seals.get(agent) or self.ripe.seals.get(agent)
        if found is not None:
            return found
        rows = self._query("SELECT seq FROM seals WHERE agent = ?", (key(agent, "agt_"),))
        return rows[0][0] if rows else 0

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
        if after - self._young_since >= SHELF_ENTRIES and self.ripe.filed:
            # What is admitted now is about to be queued, so the writing thread cannot have written it before this is seen.
            self.young.upto = self._young_since = after + len(records)
            self.ripe, self.young = self.young, Shelf()

    def mark_filed(self, shelf: Shelf) -> None:
        """Called by the writing thread when the index has what is on ``shelf``."""
        bits = self._filter or bytearray(_FILTER_BITS // 8)
        for effect in shelf.effects:
            bit = hash(effect) % _FILTER_BITS
            bits[bit >> 3] |= 1 << (bit & 7)
        self._filter = bits
        shelf.filed = True

    def _note(self, record: Record, seq: int, shelf: Shelf) -> None:
        if isinstance(record, Intent):
            if record.id in shelf.effects or self.of_effect(record.id) is not NOWHERE:
                raise DuplicateIntent(f"effect {record.id} is on record already", effect=record.id)
            shelf.effects[record.id] = Place(seq, 0)
        elif isinstance(record, Outcome):
            place = shelf.effects.get(record.id) or self.of_effect(record.id)
            if place is NOWHERE:
                raise DuplicateIntent(f"effect {record.id} has no intent that this could be the outcome of", effect=record.id)
            if place.outcome:
                raise DuplicateIntent(f"effect {record.id} has its outcome already", effect=record.id)
            # Noted with its intent, wherever that stood, so that a row of the index is always written whole.
            shelf.effects[record.id] = Place(place.intent, seq)
        else:
            shelf.seals[record.agent] = seq

    def _may_be_filed(self, effect: EffectId) -> bool:
        """False only if the index cannot have it: no root that old was there on opening, and nothing alike was filed since.

        A filter with one hash function (Bloom, 1970, with k = 1): 2 MiB, and of a million effects filed, 6 % of the questions
        about new ones still go to the file. Without it each new effect would cost a query that finds nothing.
        """
        if root_key(effect) <= self._newest_root:
            return True
        bits = self._filter
        if not bits:
            return False
        bit = hash(effect) % _FILTER_BITS
        return bits[bit >> 3] & (1 << (bit & 7)) != 0


def _newest_root(query: Query) -> str:
    """The largest `root_key` in the index; where an id has no such key, something larger than any."""
    smallest, largest = query("SELECT min(id), max(id) FROM effects", ())[0]
    if largest is None:
        return ""
    # SQLite sorts every text before every blob.
    return "\U0010ffff" if isinstance(smallest, str) else root_key(f"eff_{largest.hex()}")
