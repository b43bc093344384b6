"""Taking back: the intent of an undo, and the actuator that performs it."""

from __future__ import annotations

from datetime import timedelta

from bailiwick import codec
from bailiwick.effects import Actuator, Conduct, EffectClass, Intent, Kind, Outcome, Result, Retry
from bailiwick.errors import Refused
from bailiwick.ids import AgentId, RunId, effect_id
from bailiwick.ledger import Past

TAKES_BACK = Conduct(retry=Retry(attempts=3, first=timedelta(milliseconds=500), on=(Exception,)))
"""An undo that failed is tried again, because it promises that twice is as good as once."""


def undo_of(effect: Intent, *, run: RunId, agent: AgentId, at_ns: int, nth: int = 1, blind: bool = False) -> Intent:
    """The intent that takes ``effect`` back: the ``nth``, if earlier ones failed. ``run`` and ``agent`` are those who ask for it.

    The same effect gives the same id, so that nothing is taken back twice. ``blind``: after a crash, when nobody knows whether there
    is anything to take back; that is another undo than one of an effect that happened.
    """
    label = f"{'undo-blind' if blind else 'undo'}/{nth}"
    return Intent(
        id=effect_id(effect.id, label),
        run=run,
        agent=agent,
        position=f"{effect.position}:{label}",
        kind=Kind.UNDO,
        tool=f"undo {effect.tool}",
        effect=EffectClass.IDEMPOTENT,
        arguments=codec.encode({"effect": effect.id}),
        undoes=effect.id,
        path=effect.path,
        caused_by=(effect.id,),
        at_ns=at_ns,
    )


def check_stands(past: Past | None, first_undo: Past | None) -> None:
    """Raises `Refused` if an effect that another run took back is one that its own run still goes by; not if that had tried to take it
    back itself (``first_undo``), and left it to others."""
    if past is None or (first_undo is not None and first_undo.intent.run == past.intent.run):
        return
    effect = past.intent
    raise Refused(
        f"this run cannot be gone on with: `{effect.tool}` {effect.id}, by which it goes, was taken back. Start it anew", effect=effect.id
    )


class Undoing(Actuator):
    """Acts on the intent of an undo: with what the tool declares, on the effect that is taken back."""

    def __init__(self, actuator: Actuator, effect: Intent, outcome: Outcome | None) -> None:
        self.conduct = TAKES_BACK
        self._actuator = actuator
        self._effect = effect
        self._outcome = outcome

    async def act(self, intent: Intent) -> Result:
        return await self._actuator.undo(self._effect, self._outcome)
