"""The seam between the door and the world: tools, agents and tests are all alike to the gateway."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from bailiwick.effects.conduct import PLAIN, UNKNOWN, Conduct, Happened, Unanswered
from bailiwick.effects.records import FREE, Cost, Fidelity, Intent, Outcome, Seal
from bailiwick.effects.signature import Signature
from bailiwick.errors import NotAllowed


class Result(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an act returns: the encoded value, how it was obtained and what it used."""

    value: bytes
    fidelity: Fidelity = Fidelity.EXACT
    cost: Cost = FREE


class Actuator(ABC):
    """Something that acts on an intent that the gateway let through. Gateway and tools meet only here."""

    estimate: Cost = FREE
    """What one act may cost: held in the purse before it."""
    conduct: Conduct = PLAIN
    """How often it is tried and for how long, and whether it can be probed and undone."""

    takes: Signature | None = None
    """What arguments have to fit; None: it says no when it acts."""

    @abstractmethod
    async def act(self, intent: Intent) -> Result:
        """Do it, once, and return what came of it.

        Called only while the intent stands on the record. What it raises becomes the recorded `Failure`, unless it says that
        the effect is still open (`BailiwickError.leaves_open`). If it is cancelled, nobody knows how far it came: the intent
        stays without an outcome.
        """

    def check(self, intent: Intent) -> None:
        """Return if it could act on ``intent``'s arguments. Raises `BadInput`."""
        if self.takes is not None:
            self.takes.unpack(intent.arguments)

    async def probe(self, intent: Intent) -> Happened[Result] | Unanswered:
        """Ask the other side whether an earlier act on ``intent`` happened. Called only where `conduct` says that it can be.

        Changes nothing. What it raises counts as not known.
        """
        return UNKNOWN

    async def undo(self, intent: Intent, outcome: Outcome | None) -> Result:
        """Take back what an act on ``intent`` did; without an ``outcome``, what it may have done. Twice is as good as once.

        Called only where `conduct` says that it can be. Raises if it cannot be taken back.
        """
        raise NotAllowed(f"`{intent.tool}` declares no undo", tool=intent.tool)

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
