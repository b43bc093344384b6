"""Use counts: a grant for three effects admits three, whoever of those who share it asks, and in whichever thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from bailiwick.errors import NotGranted

Counted = tuple[tuple[str, int], ...]
"""What is counted, and up to how many."""


class Use:
    """One use, held for one effect: `settle` it when the effect has happened, `release` it when it has not. Neither does anything after
    the other; what is never settled stays counted."""

    __slots__ = ("_counted", "_uses")

    def __init__(self, uses: Uses | None, counted: Counted = ()) -> None:
        self._uses = uses
        self._counted = counted

    def settle(self) -> None:
        """It happened, or may have."""
        self._uses = None

    def release(self) -> None:
        """It did not happen: the use is free again."""
        uses, self._uses = self._uses, None
        if uses is not None:
            uses.give_back(self._counted)


class Uses:
    """How often each grant was used, of those that may not be used without end."""

    def __init__(self, taken: Mapping[str, int] | None = None) -> None:
        """``taken``: as `taken` was, of an incarnation of this host before."""
        self._taken: Counter[str] = Counter(taken or {})
        self._lock = threading.Lock()

    @property
    def taken(self) -> dict[str, int]:
        """What is used up, by what is counted."""
        with self._lock:
            return {name: number for name, number in self._taken.items() if number}

    def take(self, counted: Counted, *, tool: str = "") -> Use:
        """One more of each. Raises `NotGranted` if any is used up; then nothing is taken."""
        if not counted:
            return UNCOUNTED
        with self._lock:
            for name, limit in counted:
                if self._taken[name] >= limit:
                    why = f"it is used up: it was for {limit} effects"
                    raise NotGranted(f"{tool} is not granted any more: {why}", grant=name, tool=tool, why=why, uses=limit)
            for name, _ in counted:
                self._taken[name] += 1
        return Use(self, counted)

    def recall(self, name: str, taken: int) -> None:
        """So many uses of ``name`` stand on the record already."""
        with self._lock:
            self._taken[name] = max(self._taken[name], taken)

    def give_back(self, counted: Iterable[tuple[str, int]]) -> None:
        """One less of each."""
        with self._lock:
            for name, _ in counted:
                self._taken[name] -= 1


UNCOUNTED = Use(None)
"""For what may be used without end."""
