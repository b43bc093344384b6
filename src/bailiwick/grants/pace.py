"""Pace: at most so much in any window of time, by a clock that may be wrong but not by going backwards."""

from __future__ import annotations

from fnmatch import fnmatchcase

from bailiwick.clock import Clock
from bailiwick.errors import BadInput, OverBudget, Paced
from bailiwick.grants.budget import ONE, RESOURCES, UNITS, Amounts, Budget, from_units, to_units

SLOTS = 32
"""Time is counted in so many slots a window. What was taken in one counts until all of the slot is a window ago: a limit holds in
every window, wherever it begins, and comes free at most a slot late. Memory does not depend on how much happens."""


class Window:
    """At most ``limit`` units in any ``window_ns``."""

    __slots__ = ("_clock", "_latest", "_slots", "_taken", "_window_ns", "limit", "name")

    def __init__(self, name: str, limit: int, window_ns: int, clock: Clock) -> None:
        self.name = name
        self.limit = limit
        self._clock = clock
        self._window_ns = window_ns
        self._slots: dict[int, int] = {}
        """Units by slot, the oldest first."""
        self._taken = 0
        self._latest = 0

    def room_after_s(self, units: int) -> float:
        """In how many seconds there is room for ``units`` if nobody takes it before; 0: now; infinite: there never is."""
        if not units:
            return 0.0
        if units > self.limit:
            return float("inf")
        now_ns = self._now_ns()
        if self._taken + units <= self.limit:
            return 0.0
        too_much = self._taken + units - self.limit
        for slot, taken in self._slots.items():
            too_much -= taken
            if too_much <= 0:
                return max(1, (slot + SLOTS + 1) * self._window_ns // SLOTS + 1 - now_ns) / 1e9
        return float("inf")

    def take(self, units: int) -> int:
        """Count ``units`` now; return the slot, to `give_back` from."""
        slot = self._now_ns() * SLOTS // self._window_ns
        if units:
            self._slots[slot] = self._slots.get(slot, 0) + units
            self._taken += units
        return slot

    def correct(self, slot: int, taken: int, actual: int) -> None:
        """Of what was ``taken`` in ``slot`` only ``actual`` was needed, or more: more counts now."""
        if actual > taken:
            self.take(actual - taken)
        elif slot in self._slots and actual < taken:
            self._slots[slot] -= taken - actual
            self._taken -= taken - actual

    @property
    def taken(self) -> int:
        """In the window that ends now."""
        self._now_ns()
        return self._taken

    def _now_ns(self) -> int:
        """Forget what is a window ago. A clock that steps back stands still here."""
        self._latest = now_ns = max(self._latest, self._clock.monotonic_ns())
        oldest = now_ns * SLOTS // self._window_ns - SLOTS
        while self._slots:
            slot = next(iter(self._slots))
            if slot >= oldest:
                break
            self._taken -= self._slots.pop(slot)
        return now_ns


Asked = list[tuple[Window, int, int]]
"""Of each window that an effect is charged to, where in `Amounts` to look for how much, and how much is estimated."""


class Pace:
    """What one effect took of one window."""

    __slots__ = ("_index", "_slot", "_taken", "_window")

    def __init__(self, window: Window, index: int, taken: int) -> None:
        self._window = window
        self._index = index
        self._taken = taken
        self._slot = window.take(taken)

    def settle(self, actual: Amounts | None) -> None:
        """The effect did cost ``actual``; None: it did not happen."""
        self._window.correct(self._slot, self._taken, 0 if actual is None else actual[self._index])


class Gate:
    """All limits on pace that hold for one purse: its own, and those of every purse above it."""

    __slots__ = ("limits",)

    def __init__(self, budget: Budget, clock: Clock | None, above: Gate | None) -> None:
        own: list[tuple[str, int, int]] = []
        if budget.tokens_per_min is not None:
            own.append(("tokens_per_min", budget.tokens_per_min, MINUTE_NS))
        if budget.usd_per_hour is not None:
            own.append(("usd_per_hour", to_units(budget.usd_per_hour, UNITS), 60 * MINUTE_NS))
        own += [(f"{_CALLS}{pattern}", limit, MINUTE_NS) for pattern, limit in budget.calls_per_min.items()]
        if own and clock is None:
            raise BadInput(f"`{own[0][0]}` limits pace, and this purse was given no clock")
        self.limits: list[Window] = [*(above.limits if above is not None else ())]
        if clock is not None:
            self.limits += (Window(*limit, clock) for limit in own)

    def check(self, tool: str, wanted: Amounts) -> Asked:
        """What to `take` for it. Raises `Paced` where there is no room now, or `OverBudget` where there never will be."""
        asked = self._asked(tool, wanted) if self.limits else []
        for window, _, units in asked:
            wait_s = window.room_after_s(units)
            if wait_s:
                raise _too_fast(window, units, wait_s)
        return asked

    def take(self, asked: Asked) -> list[Pace]:
        """Count what was checked just now."""
        return [Pace(window, index, units) for window, index, units in asked]

    def _asked(self, tool: str, wanted: Amounts) -> Asked:
        found: Asked = []
        for window in self.limits:
            index = _MEASURED.get(window.name)
            if index is not None:
                found.append((window, index, wanted[index]))
            elif fnmatchcase(tool, window.name.removeprefix(_CALLS)):
                found.append((window, ONE, 1))
        return found


MINUTE_NS = 60 * UNITS
_CALLS = "calls_per_min."
_MEASURED = {"tokens_per_min": RESOURCES.index("tokens"), "usd_per_hour": RESOURCES.index("usd")}


def _too_fast(window: Window, units: int, wait_s: float) -> Paced | OverBudget:
    resource = "usd" if window.name == "usd_per_hour" else ""
    limit, wanted, taken = (from_units(resource, found) for found in (window.limit, units, window.taken))
    if units > window.limit:
        return OverBudget(
            f"`{window.name}` is {limit:g}, and this alone may take {wanted:g}", resource=window.name, limit=limit, spent=taken, held=0
        )
    return Paced(
        f"`{window.name}` is {limit:g}: {taken:g} of it are taken, and {wanted:g} more have room in {wait_s:.3g} s",
        resource=window.name,
        limit=limit,
        retry_after_s=wait_s,
    )
