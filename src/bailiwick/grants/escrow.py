"""One budget, many hosts: each spends from slices that it holds on lease, so that no effect waits for another host.

The mint keeps the total. A host asks it for a slice before it needs one, spends it here, and gives back what it did not spend. When
the lease ends, the host admits nothing more on account of the slice, whether or not it can reach the mint: it takes the lease to have
begun when it asked, which was before the mint gave, and to last ``margin`` less. It looks at two clocks, and the one that is further
counts: a clock that was set back, or one that stood still while the machine slept, alone extends no lease.

A host that crashed has no slices when it comes back: what it held stays with the mint until somebody reads what was spent, from the
host's record (`Mint.reconcile`). So its new purse recalls nothing: what was spent before stands with the mint.

Limits on pace, and on depth, hold on each host for itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase

from bailiwick.clock import Clock
from bailiwick.errors import OverBudget, Unavailable
from bailiwick.grants.budget import CALLS, IRREVERSIBLE, ONE, RESOURCES, SPAWNS, Amounts, Budget
from bailiwick.grants.purse import Purse
from bailiwick.grants.records import SliceGranted, SliceReturned
from bailiwick.ids import new_grant_id

Draw = Callable[[str, str, Mapping[str, int]], Awaitable[SliceGranted]]
"""Asks the mint, as `Mint.grant`: host, id of the slice, and by limit how much. Raises `OverBudget` or `Unavailable`."""
GiveBack = Callable[[SliceReturned], Awaitable[None]]
"""Tells the mint. Raises `Unavailable`; then it is told again."""

_TOOLS_REMEMBERED = 1_024


class _Slice:
    """What is held on lease, and of an ended one how much of what was used here is put down to it."""

    __slots__ = ("amounts", "asked_ns", "id", "lasts_ns", "used", "wall_ns")

    def __init__(self, granted: SliceGranted, asked_ns: int, wall_ns: int, margin: timedelta) -> None:
        self.id = granted.id
        self.amounts = granted.amounts
        self.asked_ns = asked_ns
        self.wall_ns = wall_ns
        self.lasts_ns = int((granted.lease_s - margin.total_seconds()) * 1e9)
        self.used: dict[str, int] = {}


class Escrow:
    """What one host may spend now. Its ``purse`` is the root of the purses of that host's agents."""

    def __init__(
        self,
        host: str,
        total: Budget,
        clock: Clock,
        draw: Draw,
        give_back: GiveBack,
        *,
        margin: timedelta,
        part: float = 1 / 64,
        every: timedelta = timedelta(seconds=1),
    ) -> None:
        """``margin`` is by how much a lease is over earlier here; ``part`` of the total is asked for at a time, or more where more is
        needed at once; ``every`` so often it is looked whether more is needed: a small part of a lease."""
        self.host = host
        self.purse = Purse(total, clock=clock, owner=host, lease=self)
        self._clock = clock
        self._draw = draw
        self._give_back = give_back
        self._margin = margin
        self._every = every
        self._sizes = {name: max(1, int(amount * part)) for name, amount in total.amounts().items()}
        self._live: list[_Slice] = []
        """The one that ends first, first."""
        self._ended: list[_Slice] = []
        """Not reported yet: what is held for effects under way may be of them."""
        self._used: Counter[str] = Counter()
        """Spent, and held for effects under way: not what is only given to children, as in the accounts of the purse."""
        self._kept: Counter[str] = Counter()
        """Spent."""
        self._put_down: Counter[str] = Counter()
        """Of what is used, how much is put down to slices that ended. Never more than is used: what becomes free was theirs."""
        self._short: Counter[str] = Counter()
        self._asking: tuple[str, int, int] | None = None
        """A slice that was asked for and not answered: its id, and when, by two clocks."""
        self._dry: set[str] = set()
        """Of what the mint had nothing left when it was asked last."""
        self._known: dict[tuple[str, bool], list[tuple[str, int]]] = {}
        self._limits: dict[str, int] = {}
        """Of what may be used: what is put down to slices that ended, and what is on lease."""
        self._regrant()

    def hold(self, tool: str, wanted: Amounts, *, irreversible: bool) -> None:
        """Set aside from what is on lease now. Raises `Unavailable`, or `OverBudget` where the mint has nothing left."""
        self._end_due()
        names = self._names(tool, irreversible=irreversible)
        for name, index in names:
            if self._used[name] + wanted[index] > self._limits[name]:
                raise self.short(name, wanted[index]) or OverBudget(
                    f"the budget for {name} is used up, on this host and on all", resource=name, limit=0, spent=0, held=0
                )
        for name, index in names:
            self._used[name] += wanted[index]

    def settle(self, tool: str, wanted: Amounts, actual: Amounts | None, *, irreversible: bool) -> None:
        """What was set aside is settled with what it did cost; None: it did not happen."""
        for name, index in self._names(tool, irreversible=irreversible):
            spent = 0 if actual is None else actual[index]
            self._used[name] += spent - wanted[index]
            self._kept[name] += spent
        if self._ended:
            self._let_go()

    def short(self, name: str, wanted: int) -> Unavailable | None:
        """There is no room for so much; None if none will come. Else it is asked for at the next tick."""
        if name in self._dry:
            return None
        self._short[name] = max(self._short[name], wanted)
        return Unavailable(
            f"this host holds too little of {name} now, and asks for more",
            resource=name,
            host=self.host,
            retry_after_s=self._every.total_seconds(),
        )

    async def run(self) -> None:
        """Keep the host in funds until cancelled: give back what ended, and draw before it is needed."""
        while True:
            await self.tick()
            await self._clock.sleep(self._every)

    async def tick(self) -> None:
        """One turn of `run`. Where the mint cannot be reached, the next turn tries again."""
        self._end_due()
        try:
            await self._report()
            wanted = self._wanted()
            if wanted:
                await self._ask(wanted)
        except Unavailable:
            return

    async def close(self) -> None:
        """Spend no more here, and give back all that was not spent and is not held for effects under way. Raises `Unavailable`: then
        nothing more is spent all the same, and it can be called again."""
        self.purse.close()
        self._end([*self._live])
        await self._report()

    @property
    def reported(self) -> bool:
        """Whether the mint knows all that was spent here."""
        return not self._live and not self._ended and self._asking is None

    def _names(self, tool: str, *, irreversible: bool) -> list[tuple[str, int]]:
        """What an effect is charged to, and where in `Amounts` to look for how much."""
        known = self._known.get((tool, irreversible))
        if known is not None:
            return known
        if len(self._known) >= _TOOLS_REMEMBERED:
            self._known.clear()
        found = self._known[tool, irreversible] = [(name, index) for index, name in enumerate(RESOURCES) if name in self._sizes]
        found += [(name, ONE) for name in self._sizes if name.startswith(CALLS) and fnmatchcase(tool, name.removeprefix(CALLS))]
        if irreversible and IRREVERSIBLE in self._sizes:
            found.append((IRREVERSIBLE, ONE))
        return found

    def _wanted(self) -> dict[str, int]:
        """What to ask for, lest it runs out: as if what ends soon had ended."""
        soon = [held for held in self._live if self._remaining_ns(held) < held.lasts_ns // 3]
        wanted: dict[str, int] = {}
        for name, size in self._sizes.items():
            room = self._limits[name] - self.purse.accounts[name].used - sum(held.amounts.get(name, 0) for held in soon)
            if room < max(size // 2, self._short[name], 1):
                wanted[name] = max(size, self._short[name] - max(room, 0))
        return wanted

    async def _ask(self, wanted: dict[str, int]) -> None:
        if self._asking is None:
            self._asking = (new_grant_id(self._clock.now_ns()), self._clock.monotonic_ns(), self._clock.now_ns())
        slice_id, asked_ns, wall_ns = self._asking
        try:
            granted = await self._draw(self.host, slice_id, wanted)
        except OverBudget:
            self._asking = None
            self._dry.update(wanted)
            return
        self._asking = None
        self._short.clear()
        self._dry.update(wanted.keys() - granted.amounts.keys())
        self._dry.difference_update(granted.amounts)
        self._live.append(_Slice(granted, asked_ns, wall_ns, self._margin))
        self._end_due()
        self._regrant()

    async def _report(self) -> None:
        """Give back what ended, once all that is put down to it is spent for certain."""
        if any(self._put_down[name] > self._kept[name] for name in self._sizes):
            return
        for ended in [*self._ended]:
            spent = {name: used for name, used in ended.used.items() if used}
            await self._give_back(SliceReturned(id=ended.id, host=self.host, spent=spent, at_ns=self._clock.now_ns()))
            self._ended.remove(ended)

    def _remaining_ns(self, held: _Slice) -> int:
        gone_ns = max(self._clock.monotonic_ns() - held.asked_ns, self._clock.now_ns() - held.wall_ns)
        return held.lasts_ns - gone_ns

    def _end_due(self) -> None:
        due = [held for held in self._live if self._remaining_ns(held) <= 0]
        if due:
            self._end(due)

    def _end(self, due: list[_Slice]) -> None:
        """Admit nothing more on account of these. What is used beyond what else is on lease was used of them."""
        self._used[SPAWNS] = self._kept[SPAWNS] = self.purse.spending.of(SPAWNS)
        for held in due:
            self._live.remove(held)
            for name in self._sizes:
                used = max(0, self._used[name] - self._put_down[name])
                # An effect that did cost more than was on lease: the last to go answers for it.
                held.used[name] = min(used, held.amounts.get(name, 0)) if self._live else used
                self._put_down[name] += held.used[name]
            self._ended.append(held)
        self._regrant()

    def _let_go(self) -> None:
        """What became free was used of slices that ended, and is not used again."""
        changed = False
        for name in self._sizes:
            free = self._put_down[name] - self._used[name] if name != SPAWNS else 0
            for ended in reversed(self._ended) if free > 0 else ():
                less = min(free, ended.used.get(name, 0))
                ended.used[name] = ended.used.get(name, 0) - less
                self._put_down[name] -= less
                free -= less
                changed = True
        if changed:
            self._regrant()

    def _regrant(self) -> None:
        for name, account in self.purse.accounts.items():
            limit = self._put_down[name] + sum(held.amounts.get(name, 0) for held in self._live)
            self._limits[name] = limit
            if account.is_open:
                account.regrant(limit)
