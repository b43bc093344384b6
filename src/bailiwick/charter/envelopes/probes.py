"""Events as they are looked for in calls and their ends.

An event *counts against* where it can make a property fail, and *counts for* where it can make it hold. Against counts what may
have happened: it stands where the effect was admitted, in flight too, until its end says otherwise; a condition that cannot be
evaluated is true. For counts what is certain: it stands where the effect ended; a condition that cannot be evaluated is false.
"""

from __future__ import annotations

import re
import unicodedata
from fnmatch import translate

from bailiwick.charter.envelopes.condition import test
from bailiwick.charter.envelopes.ending import End
from bailiwick.charter.envelopes.syntax import Event, What
from bailiwick.effects import Call, EffectClass, Kind, Status

_NAMED = (Kind.TOOL, Kind.ASK, Kind.SPAWN)
"""What an event without a kind speaks of."""

_STATUS = {
    What.HAPPENED: Status.DONE,
    What.DONE: Status.DONE,
    What.FAILED: Status.FAILED,
    What.REFUSED: Status.REFUSED,
    What.CANCELLED: Status.CANCELLED,
}


class Probe:
    """Looks for one event."""

    def __init__(self, event: Event, *, against: bool) -> None:
        self.event = event
        self.against = against
        self.at_intent = event.what is What.ATTEMPTED or (against and event.what is not What.REFUSED)
        """Whether it stands where the effect was admitted rather than where it ended."""
        self.status = _STATUS.get(event.what)
        """How an effect must have ended of which it speaks at its end."""
        self._matches = re.compile(translate(event.tool)).match
        self.where = test(event.where) if event.where is not None else None

    def speaks_of(self, tool: str, kind: Kind | None = None, effect: EffectClass | None = None) -> bool:
        """Whether an effect of this tool could be one; without kind and class, whatever they are. Against counts also a name that only
        looks the same."""
        event = self.event
        if kind is not None and (kind is not event.kind if event.kind is not None else kind not in _NAMED):
            return False
        if effect is not None and event.effect is not None and event.effect is not effect:
            return False
        name = tool.removeprefix("undo ") if event.kind is Kind.UNDO else tool
        return self._matches(name) is not None or (self.against and self._matches(unicodedata.normalize("NFKC", name)) is not None)

    def holds(self, call: Call, end: End | None) -> bool:
        """Whether ``call``, of which it speaks and which ended so, is one; before the end is known: whether it may be one."""
        if end is not None and not self._ended_so(end):
            return False
        if self.where is None:
            return True
        found = self.where(call, end)
        return self.against if found is None else found

    def _ended_so(self, end: End) -> bool:
        match self.event.what:
            case What.ATTEMPTED:
                return True
            case What.HAPPENED if self.against:
                return not end.nothing_done
            case _:
                return end.status is self.status
