"""Monitors of what adds up, in whatever order it comes: how often, how much, how risky.

What is in flight counts and is kept apart until its end is known: then it stays, is corrected, or is taken out. At most `UNDECIDED`
are kept apart; of more, the oldest count for good. Memory does not grow with the number of events.

* `Count` in a window keeps the newest N times and as many as are in flight: exact.
* `Total` in a window keeps up to `KEPT` amounts with their times: exact up to there; of more, the oldest two become one at the later
  time, so that what is counted is never less than what there is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right, insort
from collections import deque
from typing import Any

from bailiwick.charter.envelopes.records import KeptWatch

UNDECIDED = 1_024
KEPT = 1_024
REMEMBERED = 8
"""So many of the newest effects that count are named to who is refused."""
FORGIVEN = 1 + 1e-9
"""Sums of binary fractions are compared to nine digits: three times 0.1 is not more than 0.3."""


class Tally(ABC):
    """What counts for one run, agent, or all."""

    __slots__ = ("now_ns", "pending", "recent")

    def __init__(self) -> None:
        self.now_ns = 0
        self.pending: dict[str, tuple[int, float]] = {}
        self.recent: deque[str] = deque(maxlen=REMEMBERED)

    @abstractmethod
    def level(self, now_ns: int) -> float:
        """How much there is by now."""

    @abstractmethod
    def room_at(self, amount: float, most: float) -> int | None:
        """From when on there is room for so much more, if nothing else happens; None for never."""

    @abstractmethod
    def _put(self, at_ns: int, amount: float) -> None:
        """It counts for good."""

    def admit(self, effect: str, at_ns: int, amount: float) -> None:
        """An effect in flight counts from now on."""
        self.now_ns = at_ns
        self.pending[effect] = (at_ns, amount)
        if amount:
            self.recent.append(effect)
        while len(self.pending) > UNDECIDED:
            self._put(*self.pending.pop(next(iter(self.pending))))

    def end(self, effect: str, amount: float, now_ns: int) -> None:
        """An effect in flight ended, and counts so much; 0: it was nothing."""
        self.now_ns = now_ns
        known = self.pending.pop(effect, None)
        if known is None:
            return
        if amount:
            self._put(known[0], amount)
        elif effect in self.recent:
            self.recent.remove(effect)

    def count(self, effect: str, at_ns: int, amount: float) -> None:
        """What was never in flight counts."""
        self.now_ns = at_ns
        if amount:
            self.recent.append(effect)
            self._put(at_ns, amount)

    def kept(self) -> KeptWatch:
        """To be sealed."""
        return KeptWatch(
            now_ns=self.now_ns,
            pending=tuple((effect, at_ns, amount) for effect, (at_ns, amount) in self.pending.items()),
            recent=tuple(self.recent),
            **self._kept(),
        )

    def recall(self, kept: KeptWatch) -> None:
        """Go on from what was sealed."""
        self.now_ns = kept.now_ns
        self.pending = {effect: (at_ns, amount) for effect, at_ns, amount in kept.pending}
        self.recent.extend(kept.recent)
        self._recall(kept)

    @abstractmethod
    def _kept(self) -> dict[str, Any]: ...

    @abstractmethod
    def _recall(self, kept: KeptWatch) -> None: ...


class Ever(Tally):
    """The sum since the beginning."""

    __slots__ = ("_settled",)

    def __init__(self) -> None:
        super().__init__()
        self._settled = 0.0

    def level(self, now_ns: int) -> float:
        total = self._settled
        for _, amount in self.pending.values():
            total += amount
        return total

    def room_at(self, amount: float, most: float) -> int | None:
        return None

    def _put(self, at_ns: int, amount: float) -> None:
        self._settled += amount

    def _kept(self) -> dict[str, Any]:
        return {"settled": self._settled}

    def _recall(self, kept: KeptWatch) -> None:
        self._settled = kept.settled


CERTAIN = 800.0
"""The hazard of what goes wrong for certain: e⁻⁸⁰⁰ is nothing."""


def hazard(probability: float) -> float:
    """What probabilities become so that they can be added and lose no digits: -ln(1 - p). Infinite for what is none."""
    if not 0 <= probability <= 1:
        return math.inf
    return CERTAIN if probability == 1 else -math.log1p(-probability)


class Window(Tally):
    """The sum of what is less than ``per_ns`` old."""

    __slots__ = ("_amounts", "_per_ns", "_sum", "_times")

    def __init__(self, per_ns: int) -> None:
        super().__init__()
        self._per_ns = per_ns
        self._times: list[int] = []
        self._amounts: list[float] = []
        self._sum = 0.0

    def level(self, now_ns: int) -> float:
        edge_ns = now_ns - self._per_ns
        if self._times and self._times[0] <= edge_ns:
            total = math.fsum(self._amounts[bisect_right(self._times, edge_ns) :])
        else:
            total = self._sum
        for at_ns, amount in self.pending.values():
            if at_ns > edge_ns:
                total += amount
        return total

    def room_at(self, amount: float, most: float) -> int | None:
        counted = [*zip(self._times, self._amounts, strict=True), *self.pending.values()]
        for at_ns in sorted({at_ns for at_ns, _ in counted}):
            if math.fsum(left for then_ns, left in counted if then_ns > at_ns) + amount <= most * FORGIVEN:
                return at_ns + self._per_ns
        return None

    def _put(self, at_ns: int, amount: float) -> None:
        gone = bisect_right(self._times, self.now_ns - self._per_ns)
        del self._times[:gone], self._amounts[:gone]
        where = bisect_right(self._times, at_ns)
        self._times.insert(where, at_ns)
        self._amounts.insert(where, amount)
        if len(self._times) > KEPT:
            self._amounts[1] += self._amounts[0]
            del self._times[0], self._amounts[0]
        self._sum = math.fsum(self._amounts) if gone or where < len(self._times) - 1 else self._sum + amount

    def _kept(self) -> dict[str, Any]:
        return {"times": tuple(self._times), "amounts": tuple(self._amounts)}

    def _recall(self, kept: KeptWatch) -> None:
        self._times, self._amounts = list(kept.times), list(kept.amounts)
        self._sum = math.fsum(self._amounts)


class Count(Tally):
    """How many there were less than ``per_ns`` ago; each counts 1."""

    __slots__ = ("_most", "_per_ns", "_times")

    def __init__(self, per_ns: int, most: int) -> None:
        super().__init__()
        self._per_ns = per_ns
        self._most = most
        self._times: list[int] = []
        """Of all that count, in flight or not."""

    def level(self, now_ns: int) -> float:
        return len(self._times) - bisect_right(self._times, now_ns - self._per_ns)

    def room_at(self, amount: float, most: float) -> int | None:
        return self._times[-self._most] + self._per_ns if 0 < self._most <= len(self._times) else None

    def admit(self, effect: str, at_ns: int, amount: float) -> None:
        self.now_ns = at_ns
        if amount:
            self._put(at_ns, amount)
            self.recent.append(effect)
        self.pending[effect] = (at_ns, amount)
        if len(self.pending) > UNDECIDED:
            self.pending.pop(next(iter(self.pending)))

    def end(self, effect: str, amount: float, now_ns: int) -> None:
        self.now_ns = now_ns
        known = self.pending.pop(effect, None)
        if known is None or bool(known[1]) == bool(amount):
            return
        if amount:
            self._put(known[0], amount)
            return
        where = bisect_left(self._times, known[0])
        if where < len(self._times) and self._times[where] == known[0]:
            del self._times[where]
        if effect in self.recent:
            self.recent.remove(effect)

    def _put(self, at_ns: int, amount: float) -> None:
        times = self._times
        if times and times[0] <= self.now_ns - self._per_ns:
            del times[: bisect_right(times, self.now_ns - self._per_ns)]
        insort(times, at_ns)
        if len(times) > self._most + len(self.pending) + 2:  # So many are enough, whatever is taken out.
            del times[0]

    def _kept(self) -> dict[str, Any]:
        return {"times": tuple(self._times)}

    def _recall(self, kept: KeptWatch) -> None:
        self._times = list(kept.times)
