"""The fold: records in, effects out. What every view of the record is made from."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bailiwick.effects.records import Attempt, Erasure, Intent, Kind, Outcome, Record, Request, Ruling, Status

STATES = ("done", "failed", "refused", "cancelled", "undone", "undo-failed", "open", "waiting")
"""Every `Effect.state` there is."""


class Effect(msgspec.Struct, kw_only=True, gc=False):
    """One effect as far as the record knows it."""

    seq: int
    """The number of its intent on the record; while it waits, of the first request."""
    intent: Intent
    outcome: Outcome | None = None
    outcome_seq: int = 0
    """The number of its outcome on the record; 0 without one."""
    attempts: tuple[Attempt, ...] = ()
    """Its tries after the first, in order. A try that failed and the one that follows it are two records with the same number:
    the first notes the failure, the second the beginning."""
    undo: Effect | None = None
    """The newest effect that takes it back, or tries to; None if nobody asked for that since it ended."""
    erased: tuple[int, ...] = ()
    """Which of its entries had their payload erased."""
    requests: tuple[Request, ...] = ()
    """What people were asked before it could happen, in order."""
    rulings: tuple[Ruling, ...] = ()
    """What they said, in order."""
    waits: bool = False
    """Whether it is only asked for: nothing has acted, and its intent is not on record yet."""

    @property
    def state(self) -> str:
        """One of `STATES`: ``waiting`` for people to decide; ``open`` is under way, or left in doubt by a crash; ``undone`` and
        ``undo-failed`` are what came of the newest undo. While an undo is under way the effect is still ``done``."""
        if self.outcome is None:
            return "waiting" if self.waits else "open"
        if self.undo is not None and self.undo.outcome is not None:
            return "undone" if self.undo.outcome.status is Status.DONE else "undo-failed"
        return self.outcome.status.value

    @property
    def is_doubtful(self) -> bool:
        """Whether nobody could tell, were the process that acts on it to die now, if it happened: it has no outcome, its class
        forbids repeating it, and its newest try has begun."""
        begun = not self.attempts or self.attempts[-1].begun
        return self.outcome is None and not self.waits and self.intent.kind is Kind.TOOL and begun and not self.intent.effect.repeatable

    @property
    def tries(self) -> int:
        """How many tries have begun."""
        return max([attempt.number for attempt in self.attempts if attempt.begun], default=1)

    @property
    def took_s(self) -> float | None:
        """Seconds from start to end; None while it is open."""
        return None if self.outcome is None else (self.outcome.ended_ns - self.outcome.started_ns) / 1e9


def fold(records: Iterable[tuple[int, Record]]) -> dict[str, Effect]:
    """Every effect in ``records`` (numbers and records, in order) by id, in the order of the intents; those that wait have none yet, and
    stand where they were asked for.

    Seals and attestations are passed over; so is what belongs to an intent that is not among ``records``.
    """
    effects: dict[str, Effect] = {}
    erased: set[int] = set()
    for seq, record in records:
        match record:
            case Intent():
                effect = Effect(seq=seq, intent=record)
                if (asked := effects.pop(record.id, None)) is not None:
                    effect.requests, effect.rulings = asked.requests, asked.rulings
                effects[record.id] = effect
                if record.undoes is not None:
                    _taken_back(effects.get(record.undoes), effect)
            case Outcome():
                if (found := effects.get(record.id)) is not None:
                    found.outcome, found.outcome_seq = record, seq
            case Attempt():
                if (found := effects.get(record.id)) is not None:
                    found.attempts += (record,)
            case Request():
                found = effects.setdefault(record.id, Effect(seq=seq, intent=record.intent, waits=True))
                found.requests += (record,)
            case Ruling():
                if (found := effects.get(record.id)) is not None:
                    found.rulings += (record,)
            case Erasure():
                erased.update(record.seqs)
            case _:
                pass
    if erased:
        for effect in effects.values():
            effect.erased = tuple(seq for seq in (effect.seq, effect.outcome_seq) if seq in erased)
    return effects


def _taken_back(effect: Effect | None, undo: Effect) -> None:
    """An undo before the outcome is part of the effect's own tries: what a try may have done is taken back, and the next one made."""
    if effect is not None and effect.outcome is not None:
        effect.undo = undo
