"""One limit of one purse: what it gives room for, and how much of that is taken.

A purse has an account for each thing that its budget limits. What a child is given is taken from the account above its own, whole,
when the child is made; so a child that spends what it has been given changes nothing above it, and to admit an effect one account
for each limit is asked, however deep the tree. Only what goes beyond a child's limit, because an effect cost more than its
estimate, is charged above as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bailiwick.grants.budget import from_units

NEVER = 1 << 256
"""Above anything that can be counted."""


class Low(NamedTuple):
    """A purse is running low."""

    owner: str
    """Whose limit it is."""
    resource: str
    limit: float
    left: float
    """What is neither spent nor given away."""
    threshold: float
    """The part of ``limit`` that ``left`` fell below, or to."""


class Watch:
    """Somebody wants to be told, once each time the line is crossed."""

    __slots__ = ("armed", "call", "threshold", "warned")

    def __init__(self, call: Callable[[Low], None], threshold: float) -> None:
        self.call = call
        self.threshold = threshold
        self.armed = True
        self.warned = False

    def level(self, limit: int) -> int:
        """At how much of ``limit`` it is to be told."""
        return max(1, limit - int(limit * self.threshold))


class Account:
    """``used <= limit`` whenever something is admitted. All in units, see `bailiwick.grants.budget`."""

    __slots__ = ("above", "alert_at", "given", "is_open", "kept", "limit", "name", "owner", "room", "used", "watches")

    def __init__(self, name: str, owner: str, limit: int, above: Account | None) -> None:
        self.name = name
        self.owner = owner
        self.limit = limit
        self.above = above
        self.is_open = True
        self.used = 0
        """Taken: spent, held for effects under way, and given to those below."""
        self.kept = 0
        """The same without what is held for effects: it will not come back by itself."""
        self.given = 0
        """Of that, what those below have that are not closed, spent or not."""
        self.watches: list[Watch] = []
        self.room = self.alert_at = NEVER
        """``room``: what `used` may come to without more ado; below 0 where nothing is admitted, not even what seems to be free,
        because it is used up or overdrawn. Where `kept` reaches ``alert_at``, `alert` is to be called."""
        self.aim()

    def move(self, used: int, kept: int, given: int = 0) -> None:
        """So much more is taken, or less; what goes beyond the limit is charged above."""
        beyond = max(0, self.used - self.limit)
        self.used += used
        self.kept += kept
        self.given += given
        change = max(0, self.used - self.limit) - beyond
        if change and self.above is not None:
            self.above.move(change, change, change if self.is_open else 0)
        self.aim()

    def regrant(self, limit: int) -> None:
        """Change the limit; what was given from above follows."""
        given, self.limit = max(self.limit, self.used), limit
        if self.above is not None:
            change = max(limit, self.used) - given
            self.above.move(change, change, change)
        self.aim()

    def close(self) -> None:
        """Give back above what is not used. What is used counts there from now on as if it had been used there."""
        given, self.limit, self.is_open = max(self.limit, self.used), 0, False
        if self.above is not None:
            self.above.move(self.used - given, self.used - given, -given)
        self.aim()

    def aim(self) -> None:
        """Called where more changed than one effect: find out what is admitted, and where the next of those who watch is to be told.
        Those that were told are told again if it is crossed again."""
        used_up = self.kept - self.given >= self.limit
        self.room = -1 if used_up or self.used > self.limit else self.limit
        self.alert_at = NEVER if used_up else self.limit + self.given
        for watch in self.watches:
            level = watch.level(self.limit)
            if self.kept < level:
                watch.armed, watch.warned = True, False
            if watch.armed:
                self.alert_at = min(self.alert_at, level)

    def watch(self, call: Callable[[Low], None], threshold: float) -> Watch:
        """From now on ``call`` is called when what is left falls to ``threshold`` of the limit."""
        watch = Watch(call, threshold)
        self.watches.append(watch)
        self.aim()
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Nobody wants to be told any more."""
        self.watches.remove(watch)
        self.aim()

    def alert(self) -> None:
        """Tell those whose line was crossed. Called when all that is counted has been counted: they may do what they like."""
        told = [watch for watch in self.watches if watch.armed and self.kept >= watch.level(self.limit)]
        for watch in told:
            watch.armed = False
        self.aim()
        for watch in told:
            watch.call(self.low(watch.threshold))

    def warn(self) -> None:
        """Something was refused for want of room: whoever was to be told, and was not, is told before that."""
        for watch in [watch for watch in self.watches if watch.armed and not watch.warned]:
            watch.warned = True
            watch.call(self.low(watch.threshold))

    def low(self, threshold: float) -> Low:
        """How it stands, in words for whoever holds the purse."""
        limit, left = from_units(self.name, self.limit), from_units(self.name, max(0, self.limit - self.kept))
        return Low(self.owner, self.name, limit, left, threshold)
