"""Segments that were put aside: full files which nobody appends to any more, found by number, by effect and by agent.

An id begins with the time of its root, and each segment is entered in the next file with the smallest and the largest id in its index:
most need not be opened to know that something is not in them. What they hold is never copied into the file that is written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bailiwick.errors import LedgerUnavailable
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.backends.sqlite.file import PAGE, PAGE_ENTRIES, Query, key, read_entry
from bailiwick.ledger.backends.sqlite.still import StillFile
from bailiwick.ledger.backends.sqlite.whereabouts import NOWHERE, Place
from bailiwick.ledger.chain import EMPTY, Entry, Head
from bailiwick.ledger.segmented import Segment

MOST_OPEN = 64
"""So many files at most are kept open."""

_ROOT_BYTES = 6
"""The time of the root, at the beginning of each key."""


class Aside(NamedTuple):
    """One segment as the files after it know it: a row of the table ``segments``."""

    first: int
    last: int
    hash: bytes
    effects_low: bytes | None
    effects_high: bytes | None
    seals_low: bytes | None
    seals_high: bytes | None

    @property
    def newest_root(self) -> str:
        """The largest `bailiwick.ids.root_key` in its index; empty without any."""
        return max(self.effects_high or b"", self.seals_high or b"")[:_ROOT_BYTES].hex()


def folder_of(path: Path) -> Path:
    """Where the segments of the ledger at ``path`` are: beside it, under its name."""
    return path.with_suffix(".segments")


def file_of(path: Path, first: int, last: int) -> Path:
    """The file of one segment of the ledger at ``path``. Names sort as numbers do."""
    return folder_of(path) / f"{first:012}-{last:012}.sqlite"


def read_asides(query: Query) -> tuple[Aside, ...]:
    """The segments before a file, in order; none before one of the second version."""
    if query("PRAGMA user_version", ())[0][0] < 3:
        return ()
    return tuple(Aside(*row) for row in query("SELECT * FROM segments ORDER BY first", ()))


def base_of(asides: Sequence[Aside]) -> Head:
    """What the file after ``asides`` is chained to."""
    return Head(asides[-1].last, asides[-1].hash) if asides else EMPTY


class Archive:
    """All segments before a file, for one thread. Files are opened when they are needed, and stay open.

    Whatever it is asked raises `LedgerUnavailable` if a segment that could hold the answer is not here, and `CorruptLedger` if one is
    damaged.
    """

    def __init__(self, path: Path, asides: Sequence[Aside], before: Archive | None = None) -> None:
        """Those that ``before`` had open stay open; it is not used any more."""
        self.asides = tuple(asides)
        self.base = base_of(asides)
        self._path = path
        self._lasts = [aside.last for aside in asides]
        self._open: dict[int, StillFile] = before._open if before is not None else {}

    @property
    def newest_root(self) -> str:
        """The largest `bailiwick.ids.root_key` in any index; empty without any."""
        return max((aside.newest_root for aside in self.asides), default="")

    def of_effect(self, effect: EffectId) -> Place:
        """Where ``effect`` stands, as far as the segments know; `NOWHERE` if they do not."""
        sought = key(effect)
        for aside in reversed(self.asides):  # The newest row is the whole one.
            if _may_hold(sought, aside.effects_low, aside.effects_high):
                rows = self.query(aside, "SELECT intent, outcome, attempt FROM effects WHERE id = ?", (sought,))
                if rows:
                    return rows[0]
        return NOWHERE

    def of_seal(self, agent: AgentId) -> int:
        """Where the newest seal of ``agent`` stands, as far as the segments know; 0 if they do not."""
        sought = key(agent)
        for aside in reversed(self.asides):
            if _may_hold(sought, aside.seals_low, aside.seals_high):
                rows = self.query(aside, "SELECT seq FROM seals WHERE agent = ?", (sought,))
                if rows:
                    return rows[0][0]
        return 0

    def page(self, active: Query, after: int, last: int) -> list[Any]:
        """Some rows of entries above ``after`` and up to ``last``, from whichever file has them; none only if no file has any."""
        while after < last:
            aside = self.holding(after + 1)
            if aside is None:
                return active(PAGE, (after, last, PAGE_ENTRIES))
            rows = self.query(aside, PAGE, (after, min(last, aside.last), PAGE_ENTRIES))
            if rows:
                return rows
            after = aside.last
        return []

    def entry(self, seq: int) -> Entry:
        """The entry with this number, which is not above that of `base`."""
        aside = self.holding(seq)
        assert aside is not None
        return read_entry(lambda sql, values: self.query(aside, sql, values), seq, self.path_of(aside))

    def holding(self, seq: int) -> Aside | None:
        """The segment with entry ``seq``; None if that stands in the file after them."""
        place = bisect_left(self._lasts, seq)
        return self.asides[place] if place < len(self.asides) else None

    def path_of(self, aside: Aside) -> Path:
        """Where it should be."""
        return file_of(self._path, aside.first, aside.last)

    def query(self, aside: Aside, sql: str, values: Sequence[Any]) -> list[Any]:
        """The rows of one statement over one segment."""
        file = self._open.get(aside.first)
        if file is None:
            file = self._open_file(aside)
        return file.query(sql, values)

    def close(self) -> None:
        """Let go of all files; one that is needed again is opened again."""
        while self._open:
            self._open.popitem()[1].close()

    def _open_file(self, aside: Aside) -> StillFile:
        path = self.path_of(aside)
        if not path.exists():
            raise missing(path, aside)
        while len(self._open) >= MOST_OPEN:
            self._open.pop(next(iter(self._open))).close()
        file = self._open[aside.first] = StillFile(path)
        return file


def list_segments(path: Path, asides: Sequence[Aside], last_seq: int) -> list[Segment]:
    """``asides``, and the file after them, which ends with entry ``last_seq``."""
    found: list[Segment] = []
    before = EMPTY
    for aside in asides:
        file = file_of(path, aside.first, aside.last)
        found.append(Segment(aside.first, aside.last, file, _size_bytes(file), before.hash))
        before = Head(aside.last, aside.hash)
    return [*found, Segment(before.seq + 1, last_seq, path, _size_bytes(path), before.hash)]


def missing(path: Path, aside: Aside) -> LedgerUnavailable:
    """What to say of a segment that is not where it should be."""
    return LedgerUnavailable(
        f"{path}: entries {aside.first} to {aside.last} are in this segment, and it is not here; if it was moved away, bring it back",
        path=str(path),
        first=aside.first,
        last=aside.last,
    )


def _may_hold(sought: bytes | str, low: bytes | None, high: bytes | None) -> bool:
    """Whether an index with keys from ``low`` to ``high`` can have ``sought``; it can always have one that is not spelt in hex."""
    if isinstance(sought, str):
        return True
    return low is not None and high is not None and low[:_ROOT_BYTES] <= sought[:_ROOT_BYTES] <= high[:_ROOT_BYTES]


def _size_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
