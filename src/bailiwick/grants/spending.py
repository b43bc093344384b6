"""What was spent: by one purse and all below it, summed up when somebody asks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from fnmatch import fnmatchcase

from bailiwick.effects import FREE, Cost
from bailiwick.grants.budget import CALLS, IRREVERSIBLE, NOTHING, RESOURCES, SCALES, SPAWNS, Amounts

_MOST = 1e18
"""Of a float; more in one effect is no measurement."""


class Spending:
    """Sums. Effects add to the purse they are made from; whoever reads adds that to all above first, so that each counts once in each.

    The sums are exact but for purses without any limit above them, which add up seconds and dollars as they come.
    """

    __slots__ = ("_above", "_calls", "_floats", "_is_new", "_new_calls", "_news", "_sums", "_units", "counts")

    def __init__(self, above: Spending | None) -> None:
        self._above = above
        self._news: list[Spending] = above._news if above is not None else []
        """Those of the whole tree to which something was added that is not summed up yet."""
        self._is_new = False
        self._floats = [0.0] * len(RESOURCES)
        self._units = [0] * len(RESOURCES)
        self._new_calls: defaultdict[str, int] = defaultdict(int)
        self._sums = [0] * len(RESOURCES)
        self._calls: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """Effects that cannot be taken back, and spawns."""

    @property
    def amounts(self) -> tuple[int, ...]:
        """In units, in the order of `RESOURCES`."""
        self._sum_up()
        return tuple(self._sums)

    @property
    def calls(self) -> Counter[str]:
        """By tool."""
        self._sum_up()
        return self._calls

    def of(self, name: str) -> int:
        """What was spent of what an account of this name limits."""
        if name in RESOURCES:
            return self.amounts[RESOURCES.index(name)]
        if name in (IRREVERSIBLE, SPAWNS):
            return self.counts[name]
        return sum(number for tool, number in self.calls.items() if fnmatchcase(tool, name.removeprefix(CALLS)))

    def add(self, tool: str, actual: Amounts) -> None:
        """One call, and what it did cost."""
        if not self._is_new:
            self._announce()
        self._new_calls[tool] += 1
        if actual is not NOTHING:
            units = self._units
            cpu, wall, node, tokens, usd, sent, _ = actual
            if cpu:
                units[0] += cpu
            if wall:
                units[1] += wall
            if node:
                units[2] += node
            if tokens:
                units[3] += tokens
            if usd:
                units[4] += usd
            if sent:
                units[5] += sent

    def add_unlimited(self, tool: str, cost: Cost) -> None:
        """The same where nothing depends on it but what is reported. A part that is not a finite number, 0 or more, counts as 0."""
        if not self._is_new:
            self._announce()
        self._new_calls[tool] += 1
        if cost is not FREE:
            floats = self._floats  # Each comparison is one that NaN fails.
            if 0 < cost.cpu_s < _MOST:
                floats[0] += cost.cpu_s
            if 0 < cost.wall_s < _MOST:
                floats[1] += cost.wall_s
            if 0 < cost.node_s < _MOST:
                floats[2] += cost.node_s
            if 0 < cost.tokens < _MOST:
                floats[3] += cost.tokens
            if 0 < cost.usd < _MOST:
                floats[4] += cost.usd
            if 0 < cost.sent_bytes < _MOST:
                floats[5] += cost.sent_bytes

    def recall(self, amounts: Amounts, calls: Mapping[str, int]) -> None:
        """What is on record already."""
        if not self._is_new:
            self._announce()
        for index in _MEASURED:
            self._units[index] += amounts[index]
        for tool, number in calls.items():
            self._new_calls[tool] += number

    def count(self, name: str, number: int) -> None:
        """So many more effects that cannot be taken back, or spawns."""
        at: Spending | None = self
        while at is not None:
            at.counts[name] += number
            at = at._above

    def _announce(self) -> None:
        self._is_new = True
        self._news.append(self)

    def _sum_up(self) -> None:
        for new in self._news:
            new._sum_up_alone()
        self._news.clear()

    def _sum_up_alone(self) -> None:
        units = [unit + _whole(amount, scale) for unit, amount, scale in zip(self._units, self._floats, SCALES, strict=True)]
        at: Spending | None = self
        while at is not None:
            for index in _MEASURED:
                at._sums[index] += units[index]
            for tool, number in self._new_calls.items():
                at._calls[tool] += number
            at = at._above
        self._is_new = False
        self._units = [0] * len(RESOURCES)
        self._floats = [0.0] * len(RESOURCES)
        self._new_calls.clear()


_MEASURED = range(len(RESOURCES))


def _whole(amount: float, scale: int) -> int:
    return round(amount * scale) if amount < _MOST else int(amount) * scale
