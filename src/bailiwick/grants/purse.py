"""Purses: a budget is held before an effect and settled with what the effect did cost (invariant 4)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from bailiwick.effects import FREE, Cost
from bailiwick.errors import OverBudget

RESOURCES = ("cpu_s", "wall_s", "tokens", "usd", "sent_bytes")


class Budget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits; an absent one does not limit. ``calls`` limits single tools by name."""

    cpu_s: float | None = None
    wall_s: float | None = None
    tokens: int | None = None
    usd: float | None = None
    sent_bytes: int | None = None
    calls: dict[str, int] = {}


class Hold:
    """A part of a purse set aside for one effect: `settle` it with the true cost, or `release` it whole.

    Neither does anything after the other.
    """

    __slots__ = ("_estimate", "_purse", "_tool")

    def __init__(self, purse: Purse | None, tool: str, estimate: Cost) -> None:
        self._purse = purse
        self._tool = tool
        self._estimate = estimate

    def settle(self, cost: Cost) -> None:
        """The effect happened and cost this much; what was held beyond it is free again."""
        if self._purse is not None:
            self._purse._settle(self._tool, self._estimate, cost)  # pyright: ignore[reportPrivateUsage]
            self._purse = None

    def release(self) -> None:
        """The effect did not happen: everything held is free again."""
        if self._purse is not None:
            self._purse._release(self._tool, self._estimate)  # pyright: ignore[reportPrivateUsage]
            self._purse = None


NOTHING_HELD = Hold(None, "", FREE)
"""For what costs nothing of its own."""


class Purse:
    """What was granted, what is held and what is spent. ``spent + held`` never passes a limit by more than what the effects
    under way turn out to cost beyond their estimates."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._spent: dict[str, Any] = dict.fromkeys(RESOURCES, 0)
        self.calls: Counter[str] = Counter()
        self._held = FREE
        self._calls_held: Counter[str] = Counter()
        self._limited = budget != Budget()
        self._limits = [(name, limit) for name in RESOURCES if (limit := getattr(budget, name)) is not None]

    @property
    def spent(self) -> Cost:
        """What all effects so far did cost."""
        return Cost(**self._spent)

    def hold(self, tool: str, estimate: Cost) -> Hold:
        """Set ``estimate`` and one call of ``tool`` aside. Raises `OverBudget`; then nothing is held."""
        if not self._limited and estimate is FREE:
            return Hold(self, tool, estimate)
        limit = self.budget.calls.get(tool)
        if limit is not None and self.calls[tool] + self._calls_held[tool] >= limit:
            raise _over(f"calls.{tool}", limit, self.calls[tool], self._calls_held[tool], 1)
        for name, limit in self._limits:
            spent, held, wanted = self._spent[name], getattr(self._held, name), getattr(estimate, name)
            if spent + held + wanted > limit or spent >= limit:
                raise _over(name, limit, spent, held, wanted)
        self._count(tool, 1, estimate)
        return Hold(self, tool, estimate)

    def recall(self, tool: str, cost: Cost, calls: int) -> None:
        """Count what stands on the record already, ``cost`` in all for so many ``calls``: how a purse is rebuilt after a crash."""
        self._spend(tool, cost)
        self.calls[tool] += calls - 1

    def _settle(self, tool: str, estimate: Cost, cost: Cost) -> None:
        self._release(tool, estimate)
        self._spend(tool, cost)

    def _spend(self, tool: str, cost: Cost) -> None:
        self.calls[tool] = self.calls.get(tool, 0) + 1
        if cost is not FREE:
            spent = self._spent  # In place, name by name: this is on the path of every effect.
            spent["cpu_s"] += cost.cpu_s
            spent["wall_s"] += cost.wall_s
            spent["tokens"] += cost.tokens
            spent["usd"] += cost.usd
            spent["sent_bytes"] += cost.sent_bytes

    def _release(self, tool: str, estimate: Cost) -> None:
        self._count(tool, -1, estimate)

    def _count(self, tool: str, sign: int, estimate: Cost) -> None:
        """Only what is limited needs counting while it is held."""
        if not self._limited and estimate is FREE:
            return
        if tool in self.budget.calls:
            self._calls_held[tool] += sign
        if estimate is not FREE:
            self._held = self._held + estimate if sign > 0 else _minus(self._held, estimate)


def _minus(a: Cost, b: Cost) -> Cost:
    return Cost(**{name: getattr(a, name) - getattr(b, name) for name in RESOURCES})


def _over(resource: str, limit: float, spent: float, held: float, wanted: float) -> OverBudget:
    return OverBudget(
        f"the budget for {resource} is {limit:g}: {spent:g} spent and {held:g} held leave no room for {wanted:g} more",
        resource=resource,
        limit=limit,
        spent=spent,
        held=held,
    )
