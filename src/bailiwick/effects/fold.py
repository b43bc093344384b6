"""The fold: records in, effects out. What every view of the record is made from."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bailiwick.effects.records import Intent, Outcome, Record


class Effect(msgspec.Struct, kw_only=True):
    """One effect as far as the record knows it."""

    seq: int
    """The number of its intent on the record."""
    intent: Intent
    outcome: Outcome | None = None

    @property
    def state(self) -> str:
        """``done``, ``failed``, ``refused``, or ``open``: under way, or left in doubt by a crash."""
        return "open" if self.outcome is None else self.outcome.status.value

    @property
    def took_s(self) -> float | None:
        """Seconds from start to end; None while it is open."""
        return None if self.outcome is None else (self.outcome.ended_ns - self.outcome.started_ns) / 1e9


def fold(records: Iterable[tuple[int, Record]]) -> dict[str, Effect]:
    """Every effect in ``records`` (numbers and records, in order) by id, in the order of the intents. Seals are passed over."""
    effects: dict[str, Effect] = {}
    for seq, record in records:
        match record:
            case Intent():
                effects[record.id] = Effect(seq=seq, intent=record)
            case Outcome():
                effects[record.id].outcome = record
            case _:
                pass
    return effects
