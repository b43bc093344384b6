"""What this process appended, as far as memory must know it: the rest is for the database to answer."""

from __future__ import annotations

from collections.abc import Sequence

from bailiwick.clock import SystemClock
from bailiwick.effects import Attempt, Intent, Outcome, Record, Seal
from bailiwick.errors import DuplicateIntent
from bailiwick.ids import AgentId, EffectId, root_key
from bailiwick.ledger.backends.postgres.session import Session
from bailiwick.ledger.backends.postgres.streams import key, parts_of_effect

SHELF_ENTRIES = 16_384
"""So many of the newest entries are known without asking; at least."""

ALONE_NS = 250_000_000
"""So long a writer that found no other stream to have effects of a tree of runs may believe that none has."""

MOST_ROOTS = 100_000
"""Of so many trees at most it is remembered who has them."""

_FILTER_BYTES = 1 << 21
_FILTER_MASK = _FILTER_BYTES - 1

Place = tuple[int, int, int]
"""Numbers of an intent, of its outcome and of its newest further attempt in this stream; 0: not there, `ELSEWHERE`: durable, see the
database."""

NOWHERE: Place = (0, 0, 0)
ELSEWHERE = -1


class Whereabouts:
    """Which effects and seals were appended here lately, and what the database need not be asked."""

    def __init__(self, session: Session, stream: int) -> None:
        self._session = session
        self._stream = stream
        self._clock = SystemClock()
        self._young: dict[EffectId, Place] = {}
        self._ripe: dict[EffectId, Place] = {}
        self._ripe_upto = 0
        self.seals: dict[AgentId, int] = {}
        """Newest seals that may not be durable yet, and some that are."""
        self._absent: set[EffectId] = set()
        self._filter = bytearray(_FILTER_BYTES)
        newest = session.query("SELECT root FROM roots WHERE stream = %s ORDER BY root DESC LIMIT 1", stream)
        self._newest_root: str = newest[0][0] if newest else ""
        self._alone_until_ns: dict[str, int] = {}

    def recent(self, effect: EffectId) -> Place | None:
        """Where ``effect`` stands, if that was appended here lately; else None."""
        return self._young.get(effect) or self._ripe.get(effect)

    def is_new(self, effect: EffectId) -> bool:
        """True only if nobody has put ``effect`` on record, known without asking for it.

        What descends from a root made since the stream was opened can only have come from here while no other stream has effects of
        that root. That another has is known 250 ms later at the latest; should it within that time record this very effect, the
        database refuses the second intent, and nothing acts on it.
        """
        root = root_key(effect)
        if root <= self._newest_root or self._may_be_forgotten(effect):
            return False
        now_ns = self._clock.monotonic_ns()
        return now_ns < self._alone_until_ns.get(root, 0) or self._is_alone_with(root, now_ns)

    def _is_alone_with(self, root: str, now_ns: int) -> bool:
        if self._session.query("SELECT EXISTS (SELECT FROM roots WHERE root = %s AND stream <> %s)", root, self._stream)[0][0]:
            self._alone_until_ns.pop(root, None)
            return False
        if len(self._alone_until_ns) >= MOST_ROOTS:
            self._alone_until_ns.clear()
        self._alone_until_ns[root] = now_ns + ALONE_NS
        return True

    def look_again(self) -> None:
        """An agent may just have come from elsewhere: forget which trees were known to be this stream's alone."""
        self._alone_until_ns.clear()

    def note_absence(self, effect: EffectId) -> None:
        """The database was asked and does not have ``effect``: it need not be asked again when that is appended next."""
        if len(self._absent) >= SHELF_ENTRIES:
            self._absent.clear()
        self._absent.add(effect)

    def admit(self, records: Sequence[Record], after: int, durable_seq: int) -> None:
        """Note that ``records`` stand after entry ``after``. Raises `DuplicateIntent`; then none was noted."""
        if len(self._young) >= SHELF_ENTRIES and self._ripe_upto <= durable_seq:
            self._turn_over(after, durable_seq)
        if len(records) == 1 and isinstance(record := records[0], Intent | Outcome):
            effect = record.id
            place = self._young.get(effect) or self._ripe.get(effect) or self._asked(record)
            self._young[effect] = _moved(place, record, after + 1)
            self._absent.discard(effect)
            return
        places: dict[EffectId, Place] = {}
        seals: dict[AgentId, int] = {}
        for seq, record in enumerate(records, after + 1):
            if isinstance(record, Intent | Outcome | Attempt):
                place = places.get(record.id) or self.recent(record.id) or self._asked(record)
                places[record.id] = _moved(place, record, seq)
            elif isinstance(record, Seal):
                seals[record.agent] = seq
        self._young.update(places)
        self.seals.update(seals)
        self._absent.difference_update(places)

    def _asked(self, record: Intent | Outcome | Attempt) -> Place:
        """Where an effect stands that was not appended here lately."""
        effect = record.id
        if effect in self._absent or (isinstance(record, Intent) and self.is_new(effect)):
            return NOWHERE
        parts = parts_of_effect(self._session, key(effect))
        return (ELSEWHERE if "i" in parts else 0, ELSEWHERE if "o" in parts else 0, ELSEWHERE if "a" in parts else 0)

    def _turn_over(self, upto: int, durable_seq: int) -> None:
        """Forget what is durable by now, but for a trace in the filter; the young become the ripe."""
        for effect in self._ripe:
            bit = hash(effect)
            self._filter[bit >> 3 & _FILTER_MASK] |= 1 << (bit & 7)
        self._ripe, self._young, self._ripe_upto = self._young, {}, upto
        self.seals = {agent: seq for agent, seq in self.seals.items() if seq > durable_seq}

    def _may_be_forgotten(self, effect: EffectId) -> bool:
        """False only if `_turn_over` has forgotten no such effect (Bloom, 1970, with k = 1: wrong for 6 % after a million effects)."""
        bit = hash(effect)
        return self._filter[bit >> 3 & _FILTER_MASK] & 1 << (bit & 7) != 0


def _moved(place: Place, record: Intent | Outcome | Attempt, seq: int) -> Place:
    intent, outcome, attempt = place
    effect = record.id
    if isinstance(record, Intent):
        if intent:
            raise DuplicateIntent(f"effect {effect} is on record already", effect=effect)
        return (seq, outcome, attempt)
    if not intent:
        raise DuplicateIntent(f"effect {effect} has no intent that this could belong to", effect=effect)
    if outcome:
        raise DuplicateIntent(f"effect {effect} has its outcome already", effect=effect)
    return (intent, seq, attempt) if isinstance(record, Outcome) else (intent, outcome, seq)
