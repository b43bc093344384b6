"""Going through a run again asks for one effect after another, in the order of the record: whole pages are read for that."""

from __future__ import annotations

from bailiwick.effects import Attempt, Intent, Outcome
from bailiwick.ids import EffectId
from bailiwick.ledger.backends.postgres.session import Session
from bailiwick.ledger.backends.postgres.streams import read_page
from bailiwick.ledger.chain import Entry
from bailiwick.ledger.port import Past, past_of

PAGE_ENTRIES = 256

NEAR = 16
"""A question for an intent at most so many entries after the one before is the next of a series."""


class ReadAhead:
    """Some effects of one stream that have their outcomes, which is final: it is safe to answer from memory."""

    def __init__(self, session: Session, stream: int) -> None:
        self._session = session
        self._stream = stream
        self._pasts: dict[EffectId, Past] = {}
        self._last_seq = 0

    def find(self, effect: EffectId) -> Past | None:
        """What has been read of ``effect`` ahead; None says nothing."""
        return self._pasts.get(effect)

    def follow(self, intent: Entry) -> None:
        """The server had to be asked for this intent. If it follows the one before, what stands behind it will be asked for next."""
        series = 0 < intent.seq - self._last_seq <= NEAR
        self._last_seq = intent.seq
        if series:
            self._read(intent)

    def forget(self) -> None:
        """What was read may hold what has been erased since."""
        self._pasts = {}

    def _read(self, first: Entry) -> None:
        entries = read_page(self._session, self._stream, first.seq - 1, PAGE_ENTRIES)
        if not entries or entries[0].hash != first.hash:
            return  # It stands in another stream, whose writer may erase what we keep.
        intents: dict[EffectId, Entry] = {}
        attempts: dict[EffectId, Entry] = {}
        self._pasts = {}
        for entry in entries:
            match entry.record:
                case Intent(id=effect):
                    intents[effect] = entry
                case Attempt(id=effect):
                    attempts[effect] = entry
                case Outcome(id=effect) if effect in intents:
                    self._pasts[effect] = past_of(intents[effect], entry, attempts.get(effect))
                case _:
                    pass
        self._last_seq = entries[-1].seq
