"""`Obtained`: a tool's answer together with how it was obtained and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from bailiwick.effects.records import FREE, Cost, Fidelity
from bailiwick.errors import BadInput

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Obtained(Generic[T]):
    """What a tool returns instead of its bare value when it knows how the value was obtained or what it cost.

    The tool's result hint stays that of ``value``: ``async def weigh(sample: str) -> float`` may return
    ``Obtained(0.21, cost=Cost(usd=0.03))``, and callers, schemas and the record see a ``float``. Whoever runs the tool takes
    the wrapper off: ``fidelity`` and ``cost`` go on record with the outcome, ``cost`` is what the purse is charged. A tool
    called directly as a function hands the wrapper to its caller.
    """

    value: T
    fidelity: Fidelity = Fidelity.EXACT
    cost: Cost = FREE

    def __post_init__(self) -> None:
        if not all(0 <= amount < math.inf for amount in msgspec.structs.astuple(self.cost)):
            raise BadInput(f"a cost is a number from 0 up, not {self.cost}")
