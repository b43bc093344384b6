"""Budgets, and the whole numbers in which purses count.

A float that is added and taken away again a million times is not what it was. So purses count in units: tokens, bytes and calls
as they are, seconds and dollars in thousand-millionths (nanoseconds, nanodollars). What is smaller than half a unit is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from bailiwick.effects import FREE, Cost
from bailiwick.errors import BadInput

UNITS = 1_000_000_000
"""Units of a second, and of a dollar."""

RESOURCES = ("cpu_s", "wall_s", "node_s", "tokens", "usd", "sent_bytes")
"""What a `Cost` measures, in the order of `Amounts`."""
SCALES = (UNITS, UNITS, UNITS, 1, UNITS, 1)
IRREVERSIBLE, SPAWNS = "irreversible", "spawns"
"""What is counted, besides."""
CALLS = "calls."
"""So begin the names of limits on calls; the pattern follows."""

Amounts = tuple[int, int, int, int, int, int, int]
"""A cost in units, in the order of `RESOURCES`, and at last 1, for what is counted: calls, effects that cannot be taken back."""
ONE = len(RESOURCES)
NOTHING: Amounts = (0, 0, 0, 0, 0, 0, 1)
_LARGEST = 1e18


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Limits; an absent one does not limit. A number that is negative, or not finite, is a `ValueError`.

    In ``calls`` and ``calls_per_min`` the keys are names of tools with shell wildcards (``send_*``); a call counts against every
    pattern that it matches.
    """

    cpu_s: float | None = None
    wall_s: float | None = None
    node_hours: float | None = None
    """Hours on nodes of a cluster, summed over the nodes."""
    tokens: int | None = None
    usd: float | None = None
    sent_bytes: int | None = None
    calls: dict[str, int] = {}
    irreversible: int | None = None
    """Effects that cannot be taken back."""
    spawns: int | None = None
    """Agents launched, by whoever holds the purse and by those below."""
    depth: int | None = None
    """How many levels of agents may stand below: 0 launches nobody."""
    tokens_per_min: int | None = None
    """In any minute, not on average; so are those that follow."""
    usd_per_hour: float | None = None
    calls_per_min: dict[str, int] = {}

    def __post_init__(self) -> None:
        for name, limit in self._limits():
            # A comparison that NaN fails, too. Booleans are integers to Python, and no limits to us.
            if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit < math.inf:
                raise ValueError(f"`{name}` is {limit}: a limit is a number, 0 or more, and finite")

    @staticmethod
    def narrowest(*budgets: Budget) -> Budget:
        """Of each limit the least that any of ``budgets`` has: what is kept within it is kept within each of them."""
        numbers: dict[str, Any] = {}
        tables: dict[str, dict[str, int]] = {"calls": {}, "calls_per_min": {}}
        for budget in budgets:
            for name in NUMBERS:
                limit: Any = getattr(budget, name)
                if limit is not None:
                    numbers[name] = min(limit, numbers.get(name, limit))
            for name, table in tables.items():
                for pattern, limit in getattr(budget, name).items():
                    table[pattern] = min(limit, table.get(pattern, limit))
        return msgspec.convert(numbers | tables, Budget)

    def amounts(self) -> dict[str, int]:
        """The limits that are used up, in units, by the name of what they limit: ``usd``, ``node_s``, ``calls.send_*``."""
        found: dict[str, int] = {}
        for name, scale in zip(RESOURCES, SCALES, strict=True):
            limit = self.node_hours if name == "node_s" else getattr(self, name)
            if limit is not None:
                found[name] = to_units(limit * 3_600 if name == "node_s" else limit, scale)
        counted = {IRREVERSIBLE: self.irreversible, SPAWNS: self.spawns}
        found |= {name: limit for name, limit in counted.items() if limit is not None}
        return found | {f"{CALLS}{pattern}": limit for pattern, limit in self.calls.items()}

    def _limits(self) -> Iterable[tuple[str, object]]:
        yield from ((name, limit) for name in NUMBERS if (limit := getattr(self, name)) is not None)
        for table in ("calls", "calls_per_min"):
            yield from ((f"{table}.{pattern}", limit) for pattern, limit in getattr(self, table).items())


NUMBERS = tuple(name for name in Budget.__struct_fields__ if name not in ("calls", "calls_per_min"))
"""The limits that are single numbers."""


def to_units(amount: float, scale: int) -> int:
    """``amount`` in whole units, rounded. Raises `ValueError` for what is not a finite number, 0 or more."""
    if not amount >= 0 or amount == math.inf:
        raise ValueError(f"{amount} is no amount")
    return round(amount * scale) if amount < _LARGEST else int(amount) * scale


def amounts(cost: Cost) -> Amounts:
    """``cost`` in units. Raises `ValueError`, `OverflowError` or `TypeError` if any of it is not a finite number, 0 or more."""
    if cost is FREE:
        return NOTHING
    # Spelled out, with literals: this is on the path of every effect.
    cpu, wall, node, tokens, usd, sent = cost.cpu_s, cost.wall_s, cost.node_s, cost.tokens, cost.usd, cost.sent_bytes
    if cpu >= 0 and wall >= 0 and node >= 0 and tokens >= 0 and usd >= 0 and sent >= 0:
        return (
            int(cpu * 1e9 + 0.5) if cpu else 0,
            int(wall * 1e9 + 0.5) if wall else 0,
            int(node * 1e9 + 0.5) if node else 0,
            int(tokens) if tokens else 0,
            int(usd * 1e9 + 0.5) if usd else 0,
            int(sent) if sent else 0,
            1,
        )
    raise ValueError(f"a part of {cost} is no number, 0 or more")


def estimated(estimate: Cost) -> Amounts:
    """``estimate`` in units. Raises `BadInput` if any of it is not a finite number, 0 or more."""
    try:
        return amounts(estimate)
    except (ValueError, OverflowError, TypeError) as error:
        raise BadInput(f"{estimate} is no estimate of a cost: {error}; each part is a finite number, 0 or more") from error


def measured(cost: Cost, estimate: Amounts) -> Amounts:
    """``cost`` in units; each part that is not a finite number, 0 or more, counts as in ``estimate``: nobody refills a purse so."""
    try:
        return amounts(cost)
    except (ValueError, OverflowError, TypeError):
        return as_estimated(cost, estimate)


def as_estimated(cost: Cost, estimate: Amounts) -> Amounts:
    """`measured`, for a cost that is known to be none."""
    cpu, wall, node, tokens, usd, sent = (
        _or_else(getattr(cost, name), scale, expected) for name, scale, expected in zip(RESOURCES, SCALES, estimate, strict=False)
    )
    return cpu, wall, node, tokens, usd, sent, 1


def as_cost(units: Iterable[int]) -> Cost:
    """The inverse of `amounts`."""
    parts: dict[str, Any] = {name: from_units(name, value) for name, value in zip(RESOURCES, units, strict=False)}
    return Cost(**parts)


def from_units(name: str, units: int) -> float:
    """An amount of what is called ``name`` as a `Budget` has it; of ``node_s`` in seconds."""
    scale = SCALES[RESOURCES.index(name)] if name in RESOURCES else 1
    return units / scale if scale > 1 else units


def _or_else(value: float, scale: int, expected: int) -> int:
    try:
        return to_units(value, scale)
    except (ValueError, OverflowError, TypeError):
        return expected
