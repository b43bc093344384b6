"""The seam between the door and the world: tools, agents and tests are all alike to the gateway."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from bailiwick.effects.records import FREE, Cost, Fidelity, Intent, Outcome, Seal


class Result(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an act returns: the encoded value, how it was obtained and what it used."""

    value: bytes
    fidelity: Fidelity = Fidelity.EXACT
    cost: Cost = FREE


class Actuator(ABC):
    """Something that acts on an intent that the gateway let through. Gateway and tools meet only here."""

    estimate: Cost = FREE
    """What one act may cost: held in the purse before it."""

    @abstractmethod
    async def act(self, intent: Intent) -> Result:
        """Do it, once, and return what came of it.

        Called only while the intent stands on the record. What it raises becomes the recorded `Failure`, unless it says that
        the effect is still open (`BailiwickError.leaves_open`). If it is cancelled, nobody knows how far it came: the intent
        stays without an outcome.
        """

    async def recall(self, intent: Intent, outcome: Outcome, outcome_seq: int) -> None:
        """The outcome is on record and will be returned as it stands; nothing is done again (invariant 2).

        An actuator that keeps memory of what it answered rebuilds it here. By default there is nothing to rebuild.
        """
        return

    def seal(self) -> Seal | None:
        """State of the one who acted, to stand on the record together with the outcome. By default there is none.

        Asked after `act` ended, well or badly, and after `recall`; nothing else runs in between.
        """
        return None
