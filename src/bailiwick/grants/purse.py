"""Purses: a budget is held before an effect and settled with what the effect did cost (invariant 4).

Purses make a tree, as agents do: a child's budget is carved from its parent's. Of each limit ``spent + held + given <= limit``
whenever something is admitted, where *given* is what children have of it and have not spent. An effect that turns out to cost more
than its estimate is counted whole; then nothing more is admitted. So a limit is overdrawn, if at all, by what effects that were
under way together did cost beyond their estimates, and by nothing else.

For one thread. Nothing here waits but `Purse.hold_in_time`, so no task gets between a check and what it admits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase

from bailiwick.clock import Clock
from bailiwick.effects import FREE, Cost
from bailiwick.errors import BadInput, BailiwickError, OverBudget, Unavailable
from bailiwick.grants.account import Account, Low, Watch
from bailiwick.grants.budget import (
    CALLS,
    IRREVERSIBLE,
    NOTHING,
    ONE,
    RESOURCES,
    SPAWNS,
    Amounts,
    Budget,
    as_cost,
    estimated,
    from_units,
    measured,
)
from bailiwick.grants.hold import Extras, Hold, Lease, Line, tell
from bailiwick.grants.pace import Gate
from bailiwick.grants.spending import Spending

_TOOLS_REMEMBERED = 1_024


class _Tree:
    """What all purses of one tree share."""

    __slots__ = ("clock", "holds", "lease", "purses")

    def __init__(self, clock: Clock | None, lease: Lease | None) -> None:
        self.clock = clock
        self.lease = lease
        self.purses: dict[str, Purse] = {}
        self.holds: dict[str, Hold] = {}


_Known = tuple[Line, Amounts, Cost | None]
"""What was found out about a tool when it was last held for, and with which estimate."""
_NOT_KNOWN: _Known = ((), NOTHING, None)


class Purse:
    """What was granted, what is held and what is spent, by one agent and all below it. ``clock`` is needed for limits on pace."""

    def __init__(
        self, budget: Budget, *, clock: Clock | None = None, owner: str = "", lease: Lease | None = None, above: Purse | None = None
    ) -> None:
        """A tree's root; children come of `carve`."""
        self.budget = budget
        self.owner = owner
        self.above = above
        self.below: dict[str, Purse] = {}
        """Children that are not closed, by owner."""
        self.spending = Spending(above and above.spending)
        self._tree = above._tree if above is not None else _Tree(clock, lease)
        self.holds = self._tree.holds
        """What is held in the whole tree, by the ids of effects."""
        self._closed = False
        self._watched: list[tuple[Account, Watch]] = []
        payers: dict[str, Account] = above._payers if above is not None else {}
        self.accounts = {name: Account(name, owner, limit, payers.get(name)) for name, limit in budget.amounts().items()}
        """What this purse's own budget limits, by name."""
        self._payers: dict[str, Account] = payers | self.accounts
        """What pays for what is spent here: of each limit the account of the nearest purse that has one."""
        self._gate = Gate(budget, self._tree.clock, above and above._gate)
        self._depth = min((level for level in (budget.depth, above and above._levels_left()) if level is not None), default=None)
        self._known: dict[str, _Known] = {}
        self._simple = not self._gate.limits and self._tree.lease is None
        self._plain = self._simple and not self._payers
        self._tree.purses[owner] = self

    @property
    def spent(self) -> Cost:
        """What all effects so far did cost, here and below."""
        return as_cost(self.spending.amounts)

    @property
    def calls(self) -> Counter[str]:
        """Calls by tool, here and below."""
        return self.spending.calls

    @property
    def held(self) -> dict[str, float]:
        """By limit of this purse's own: what is held for effects under way, or given to children and not spent."""
        return {name: from_units(name, account.used - self.spending.of(name)) for name, account in self.accounts.items()}

    @property
    def left(self) -> dict[str, float]:
        """By limit, its own or one from above where it has none: what may still be held or carved."""
        return {name: from_units(name, max(0, account.limit - account.used)) for name, account in self._payers.items()}

    def __iter__(self) -> Iterator[Purse]:
        """This purse and all below it that are not closed, each before its children."""
        unread: list[Purse] = [self]
        while unread:
            purse = unread.pop()
            yield purse
            unread.extend(reversed(purse.below.values()))

    def __getitem__(self, owner: str) -> Purse:
        """The purse of ``owner`` in this tree. Raises `KeyError`."""
        return self._tree.purses[owner]

    def hold(self, tool: str, estimate: Cost, *, effect: str = "", irreversible: bool = False) -> Hold:
        """Set ``estimate`` and one call of ``tool`` aside. With ``effect``, its id, the hold is part of the state until it is settled,
        and asked for again it is the same hold: what a crash left in doubt was admitted before.

        Raises `OverBudget`, or `Unavailable` (`Paced`) where waiting helps, or `BadInput` for an estimate that is none; then nothing
        is held.
        """
        if effect and (held := self.holds.get(effect)) is not None:
            return held
        if self._plain and estimate is FREE and not irreversible:
            hold = Hold(self, tool, effect)
        else:
            line, wanted, known_for = self._known.get(tool) or _NOT_KNOWN
            if known_for is not estimate:
                line, wanted = self._learn(tool, estimate)
            if irreversible:
                line = self._with_irreversible(line)
            for account, _, amount in line:
                used = account.used + amount
                if used > account.room:
                    self._put_back(line, account)
                    raise self._over(account, amount)
                account.used = used
            extras = None if self._simple and not irreversible else self._extras(tool, line, wanted, irreversible=irreversible)
            hold = Hold(self, tool, effect, line, wanted, extras)
        if effect:
            self.holds[effect] = hold
        return hold

    async def hold_in_time(self, tool: str, estimate: Cost, *, within: timedelta, effect: str = "", irreversible: bool = False) -> Hold:
        """`hold`, but where waiting helps, wait ``within`` so long at most. Raises as `hold` does."""
        clock = self._tree.clock
        until_ns = clock.monotonic_ns() + within // timedelta(microseconds=1) * 1_000 if clock is not None else 0
        while True:
            try:
                return self.hold(tool, estimate, effect=effect, irreversible=irreversible)
            except Unavailable as error:
                wait_s: float | None = error.facts.get("retry_after_s")
                if clock is None or wait_s is None or clock.monotonic_ns() + wait_s * 1e9 > until_ns:
                    raise
                await clock.sleep(timedelta(seconds=wait_s) + timedelta(microseconds=1))

    def hold_doubtful(self, effect: str, tool: str, estimate: Cost, *, irreversible: bool = False) -> Hold:
        """The hold of an effect that was under way at a crash: it stays held until somebody knows what came of it. Never refused,
        because it was admitted. If ``effect`` is held already, that hold."""
        known = self.holds.get(effect)
        if known is not None:
            return known
        wanted = measured(estimate, NOTHING)
        line = self._line(tool, wanted)
        line = self._with_irreversible(line) if irreversible else line
        for account, _, amount in line:
            account.move(amount, 0)
        hold = Hold(self, tool, effect, line, wanted, Extras(irreversible=irreversible, paced=[], lease=None))
        self.holds[effect] = hold
        return hold

    def recall(self, tool: str, cost: Cost, calls: int, *, irreversible: int = 0) -> None:
        """Count what stands on the record already, ``cost`` in all for so many ``calls``: how a purse is rebuilt after a crash."""
        self._recall(measured(cost, NOTHING), {tool: calls}, {IRREVERSIBLE: irreversible})

    def carve(self, budget: Budget | None, owner: str) -> Purse:
        """A child's purse. All that ``budget`` limits is held here until the child spends it or is closed; what it does not limit
        is drawn from here as it is spent. None: the child shares this purse and has no limits of its own.

        One spawn is spent. Raises `OverBudget`: there is not so much to give, no spawn left, or no level below; `BadInput` where
        ``owner`` has a purse in this tree; `Unavailable` where the budget is on lease and more may come. Then nothing has changed.
        """
        self._check_open()
        if owner in self._tree.purses:
            raise BadInput(f"{owner or 'the run itself'} has a purse in this tree; close that first", owner=owner)
        if self._depth == 0:
            message = f"the budget of {self.owner or 'this run'} lets nobody be launched from here: there are as many levels as may be"
            raise OverBudget(message, resource="depth", limit=0, spent=0, held=0)
        wanted = (budget or Budget()).amounts()
        taken = {**wanted, SPAWNS: wanted.get(SPAWNS, 0) + 1}
        for name, amount in taken.items():
            payer = self._payers.get(name)
            if payer is not None and payer.used + amount > payer.limit:
                raise self._over(payer, amount)
        child = self._give(budget or Budget(), owner)
        self.spending.count(SPAWNS, 1)
        if (payer := self._payers.get(SPAWNS)) is not None:
            payer.move(1, 1)
        tell([self._payers[name] for name in taken if name in self._payers])
        return child

    def close(self, *, launched: bool = True) -> None:
        """The owner and all below spend nothing any more: what they have not spent is free again above. What is held for effects
        under way stays held until it is settled. Twice is once. ``launched`` False: the owner never came to life, which is no spawn."""
        if self._closed:
            return
        for purse in reversed(list(self)):
            purse._close_alone()
        if self.above is not None and not launched:
            if (payer := self.above._payers.get(SPAWNS)) is not None:
                payer.move(-1, -1)
            self.above.spending.count(SPAWNS, -1)

    def on_low(self, call: Callable[[Low], None], threshold: float = 0.2) -> None:
        """``call`` when of some limit, its own or from above, no more than ``threshold`` is left that is neither spent nor given away:
        once, and again if it was more in between; and before the first refusal for want of room, however much is left. At once where
        that is so already; else from inside of what spends or gives, when all is counted. What it raises, that raises."""
        if not 0 <= threshold < 1:
            raise BadInput(f"{threshold} is no threshold: give a part of the limit, from 0 to below 1")
        self._watched += ((account, account.watch(call, threshold)) for account in self._payers.values())
        tell(list(self._payers.values()))

    def _learn(self, tool: str, estimate: Cost) -> tuple[Line, Amounts]:
        """Find out, once for each tool and estimate, what is asked for each effect."""
        if len(self._known) >= _TOOLS_REMEMBERED:
            self._known.clear()
        wanted = estimated(estimate)
        line = self._line(tool, wanted)
        self._known[tool] = (line, wanted, estimate)
        return line, wanted

    def _line(self, tool: str, wanted: Amounts) -> Line:
        measured = ((index, self._payers.get(name)) for index, name in enumerate(RESOURCES))
        matching = (
            account for name, account in self._payers.items() if name.startswith(CALLS) and fnmatchcase(tool, name.removeprefix(CALLS))
        )
        return (
            *((account, index, wanted[index]) for index, account in measured if account is not None),
            *((account, ONE, 1) for account in matching),
        )

    def _with_irreversible(self, line: Line) -> Line:
        payer = self._payers.get(IRREVERSIBLE)
        return line if payer is None else (*line, (payer, ONE, 1))

    def _extras(self, tool: str, line: Line, wanted: Amounts, *, irreversible: bool) -> Extras:
        """What else is asked where it is not only a matter of accounts. If that refuses, ``line`` is put back."""
        lease = self._tree.lease
        try:
            self._check_open()
            asked = self._gate.check(tool, wanted)
            if lease is not None:
                lease.hold(tool, wanted, irreversible=irreversible)
        except BailiwickError:
            self._put_back(line, None)
            raise
        return Extras(irreversible=irreversible, paced=self._gate.take(asked), lease=lease)

    def _put_back(self, line: Line, refusing: Account | None) -> None:
        """Of ``line`` everything was taken that stands before ``refusing``; None: everything."""
        for account, _, amount in line:
            if account is refusing:
                return
            account.move(-amount, 0)

    def _recall(self, amounts: Amounts, calls: Mapping[str, int], counts: Mapping[str, int]) -> None:
        for name, account in self._payers.items():
            if name in RESOURCES:
                units = amounts[RESOURCES.index(name)]
            elif name.startswith(CALLS):
                units = sum(number for tool, number in calls.items() if fnmatchcase(tool, name.removeprefix(CALLS)))
            else:
                units = counts.get(name, 0)
            if units:
                account.move(units, units)
        self.spending.recall(amounts, calls)
        for name, number in counts.items():
            self.spending.count(name, number)

    def _give(self, budget: Budget, owner: str) -> Purse:
        """The purse of ``owner``, with what it is given taken from here, unasked."""
        child = self.below[owner] = Purse(budget, owner=owner, above=self)
        for name, amount in budget.amounts().items():
            payer = self._payers.get(name)
            if payer is not None:
                payer.move(amount, amount, amount)
        return child

    def _close_alone(self) -> None:
        self._closed = True
        self._plain = self._simple = False
        for account, watch in self._watched:
            account.unwatch(watch)
        self._watched.clear()
        for account in self.accounts.values():
            account.close()
        if self.above is not None:
            self.above.below.pop(self.owner, None)
        self._tree.purses.pop(self.owner, None)

    def _levels_left(self) -> int | None:
        return None if self._depth is None else self._depth - 1

    def _check_open(self) -> None:
        if self._closed:
            message = f"the purse of {self.owner or 'this run'} is closed: who had it has ended"
            raise OverBudget(message, resource="", limit=0, spent=0, held=0)

    def _over(self, account: Account, wanted: int) -> OverBudget | Unavailable:
        """Whoever wanted to be told that it runs low is told first."""
        self._check_open()
        account.warn()
        payer = self
        while account.name not in payer.accounts and payer.above is not None:
            payer = payer.above
        lease = self._tree.lease
        if lease is not None and payer.above is None and (shortage := lease.short(account.name, wanted)) is not None:
            return shortage
        name = account.name
        spent = payer.spending.of(name)
        limit, spent, held, more = (from_units(name, units) for units in (account.limit, spent, account.used - spent, wanted))
        whose = f" of {payer.owner}" if payer is not self and payer.owner else ""
        return OverBudget(
            f"the budget{whose} for {name} is {limit:g}: {spent:g} spent and {held:g} held leave no room for {more:g} more",
            resource=name,
            limit=limit,
            spent=spent,
            held=held,
        )
