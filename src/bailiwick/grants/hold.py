"""What is set aside for one effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bailiwick.effects import Cost
from bailiwick.errors import Unavailable
from bailiwick.grants.account import Account
from bailiwick.grants.budget import IRREVERSIBLE, NOTHING, Amounts, amounts, as_estimated
from bailiwick.grants.pace import Pace

if TYPE_CHECKING:
    from bailiwick.grants.purse import Purse

Line = tuple[tuple[Account, int, int], ...]
"""The accounts that one effect is charged to; of each, where in `Amounts` to look for how much, and how much is to be held."""


class Lease(Protocol):
    """What a purse spends from where the budget is kept on another host; see `bailiwick.grants.escrow`."""

    def hold(self, tool: str, wanted: Amounts, *, irreversible: bool) -> None:
        """Set aside. Raises `Unavailable` where there is nothing to set it aside from now; then nothing is."""
        ...

    def short(self, name: str, wanted: int) -> Unavailable | None:
        """The root has no room for so much: what to say if more may come. None: none will."""
        ...

    def settle(self, tool: str, wanted: Amounts, actual: Amounts | None, *, irreversible: bool) -> None:
        """What was set aside is settled with what it did cost; None: it did not happen."""
        ...


class Extras:
    """What few holds have."""

    __slots__ = ("irreversible", "lease", "paced")

    def __init__(self, *, irreversible: bool, paced: list[Pace], lease: Lease | None) -> None:
        self.irreversible = irreversible
        self.paced = paced
        self.lease = lease

    def settle(self, tool: str, wanted: Amounts, actual: Amounts | None) -> None:
        """The effect did cost ``actual``; None: it did not happen."""
        for pace in self.paced:
            pace.settle(actual)
        if self.lease is not None:
            self.lease.settle(tool, wanted, actual, irreversible=self.irreversible)


class Hold:
    """A part of a purse set aside for one effect: `settle` it with the true cost, or `release` it whole.

    Neither does anything after the other.
    """

    __slots__ = ("amounts", "effect", "extras", "line", "purse", "tool")

    def __init__(
        self, purse: Purse | None, tool: str, effect: str, line: Line | None = None, held: Amounts = NOTHING, extras: Extras | None = None
    ) -> None:
        self.purse = purse
        """None once it is settled or released."""
        self.tool = tool
        self.effect = effect
        self.line = line
        """None where there is nothing to be charged: no limits, no estimate."""
        self.amounts = held
        self.extras = extras

    def settle(self, cost: Cost) -> None:
        """The effect happened and cost this much; what was held beyond it is free again. Never refused: it has happened. A part of
        the cost that is not a finite number, 0 or more, counts as it was estimated."""
        purse = self.purse
        if purse is None:
            return
        self.purse = None
        if self.effect:
            purse.holds.pop(self.effect, None)
        line = self.line
        if line is None:
            purse.spending.add_unlimited(self.tool, cost)
            return
        try:
            actual = amounts(cost)
        except (ValueError, OverflowError, TypeError):
            actual = as_estimated(cost, self.amounts)
        low: list[Account] | None = None
        for account, index, wanted in line:
            spent = actual[index]
            used = account.used - wanted + spent
            if used > account.room:
                account.move(spent - wanted, spent)
                kept = account.kept
            else:
                account.used = used
                account.kept = kept = account.kept + spent
            if kept >= account.alert_at:
                low = [*(low or ()), account]
        if self.extras is not None:
            self.extras.settle(self.tool, self.amounts, actual)
            if self.extras.irreversible:
                purse.spending.count(IRREVERSIBLE, 1)
        purse.spending.add(self.tool, actual)
        if low is not None:  # At last, when all is counted.
            tell(low)

    def release(self) -> None:
        """The effect did not happen: everything held is free again."""
        purse = self.purse
        if purse is None:
            return
        self.purse = None
        if self.effect:
            purse.holds.pop(self.effect, None)
        for account, _, wanted in self.line or ():
            account.move(-wanted, 0)
        if self.extras is not None:
            self.extras.settle(self.tool, self.amounts, None)


NOTHING_HELD = Hold(None, "", "")
"""For what costs nothing of its own."""


def tell(low: list[Account]) -> None:
    """Alert each account, and those above that were charged for what went beyond its limit."""
    for account in low:
        at: Account | None = account
        while at is not None:
            if at.kept >= at.alert_at:
                at.alert()
            at = at.above
