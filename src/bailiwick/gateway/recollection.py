"""What a resumed run has to know of its past before it goes on: one pass over the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from bailiwick.effects import Intent, Kind, Outcome, Seal, Status
from bailiwick.ids import AgentId, EffectId, root_key
from bailiwick.ledger import Entry


class Answered(NamedTuple):
    """An ask that has its outcome."""

    intent: Intent
    outcome: Outcome


class Recollection:
    """The past of one tree of runs, as far as agents and purses need it to go on from there."""

    def __init__(self) -> None:
        self._unsealed: dict[AgentId, list[Answered]] = {}
        self._spawned: dict[AgentId, list[Intent]] = {}

    @classmethod
    def of(cls, entries: Iterable[Entry], root: str, spent: Callable[[Intent, Outcome], None]) -> Recollection:
        """Read ``entries``; keep what descends from ``root``; report each effect that was performed to ``spent``."""
        found = cls()
        key = root_key(root)
        intents: dict[EffectId, Intent] = {}
        for entry in entries:
            match entry.record:
                case Intent() as intent if root_key(intent.id) == key:
                    intents[intent.id] = intent
                case Outcome() as outcome if root_key(outcome.id) == key:
                    intent = intents.pop(outcome.id)
                    if outcome.status is not Status.REFUSED:
                        spent(intent, outcome)
                        found._note(intent, outcome)
                case Seal() as seal:
                    found._unsealed.pop(seal.agent, None)
                case _:
                    pass
        return found

    def unsealed(self, agent: AgentId) -> list[Answered]:
        """What ``agent`` answered since its last seal, in the order in which the answers were given: not yet in its state."""
        return self._unsealed.pop(agent, [])

    def children(self, agent: AgentId) -> list[Intent]:
        """The launches of ``agent`` that came off, in order. Most will not be asked for again: the runs they were part of have ended."""
        return self._spawned.pop(agent, [])

    def _note(self, intent: Intent, outcome: Outcome) -> None:
        if intent.kind is Kind.ASK and intent.target is not None:
            self._unsealed.setdefault(intent.target, []).append(Answered(intent, outcome))
        elif intent.kind is Kind.SPAWN and outcome.status is Status.DONE:
            self._spawned.setdefault(intent.agent, []).append(intent)
