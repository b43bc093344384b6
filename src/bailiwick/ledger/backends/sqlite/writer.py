"""What the writing thread does with the file."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from bailiwick.errors import LedgerUnavailable
from bailiwick.ids import EffectId
from bailiwick.ledger.backends.sqlite.erasing import erase
from bailiwick.ledger.backends.sqlite.file import cannot_write, key, keys
from bailiwick.ledger.backends.sqlite.lock import WriterLock
from bailiwick.ledger.backends.sqlite.packing import Row, insert
from bailiwick.ledger.backends.sqlite.rotation import Turn, put_aside
from bailiwick.ledger.backends.sqlite.whereabouts import Shelf, Whereabouts
from bailiwick.ledger.group_commit import Medium

Rows = list[Row]
"""What one append puts into `entries`."""

_INTO_EFFECTS = "INSERT OR REPLACE INTO effects SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL"
_INTO_SEALS = "INSERT OR REPLACE INTO seals SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL"

MOST_ROWS = 4_096
"""So many rows at most go into one statement."""

SLICE = 2_048
"""So many effects at least go into the index after a commit, while there are any to go; never fewer than twice the entries that
were written with it, or shelves would fill faster than they are filed."""

LOG_PAGES = 1_000
"""The log is written into the file when it has about so many pages."""

PAGE_BYTES = 4_096

BRIEF_PAGES = 64
"""A log that never gets longer than this is left to grow by itself."""

LOG_BYTES = LOG_PAGES * (PAGE_BYTES + 24) * 5 // 4
"""How long the others are made: each page has a header, and the last batch before it is written into the file may be large."""


class Writer(Medium[Rows]):
    """The only connection that writes, and the lock that makes it the only one."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: WriterLock,
        whereabouts: Whereabouts,
        head_seq: int,
        *,
        base_seq: int,
        segment_entries: int,
    ) -> None:
        """The file begins behind ``base_seq``, and is put aside when it has ``segment_entries``; 0: never."""
        self._path = path
        self._connection = connection
        self._lock = lock
        self._whereabouts = whereabouts
        self._written_seq = head_seq
        self._written = 0
        self._logged_pages = 0
        self._segment_entries = segment_entries
        self._full_at: float = base_seq + segment_entries if segment_entries else float("inf")
        self.turns: deque[Turn] = deque()
        """The files that took the place of full ones; each is put here before anything is written to it."""
        self._unfiled: list[EffectId] | None = None
        self._roomy = False
        """Whether the log was given its full length."""
        self._log_in_own_time()
        variables = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        self._most_rows = min(MOST_ROWS, 1 << ((variables // 4).bit_length() - 1))

    def write(self, items: list[Rows]) -> int:
        rows = items[0] if len(items) == 1 else list(chain.from_iterable(items))
        last_seq = rows[-1][0]
        try:
            written_bytes = insert(self._connection, rows)
        except sqlite3.Error as error:
            raise cannot_write(self._path, error) from error
        self._written = last_seq - self._written_seq
        self._written_seq = last_seq
        self._logged_pages += 2 + written_bytes // PAGE_BYTES
        return last_seq

    def tidy(self, *, last: bool) -> None:
        ripe, young = self._whereabouts.ripe, self._whereabouts.young
        if not last:
            if self._has_ripe():
                self._file(ripe, max(SLICE, 2 * self._written))
            if self._written_seq >= self._full_at:
                self.rotate()
            elif self._logged_pages >= LOG_PAGES:
                self._write_log()
            elif self._wants_room():
                self._make_room()
            return
        with suppress(IndexError):
            while True:  # The loop's thread has let go. A file that somebody reads cannot be closed so that its log is gone.
                self.turns.popleft().reading.close()
        young.upto = self._written_seq
        # If there is no room for the index, no entry is lost: whoever opens the file next reads the end of it again.
        with suppress(LedgerUnavailable):
            for shelf in (ripe, young):
                if not shelf.filed and (shelf.effects or shelf.seals):
                    self._file(shelf, len(shelf.effects))

    def untidy(self) -> bool:
        return self._logged_pages >= LOG_PAGES or self._written_seq >= self._full_at or self._wants_room() or self._has_ripe()

    def erase(self, seqs: Sequence[int]) -> int | None:
        """Put commitments in the place of payloads; called between two writes. None, and nothing is done, while the loop's thread still
        reads a file that was put aside: it would go on seeing them there."""
        return None if self.turns else erase(self._path, self._connection, seqs)

    def rotate(self) -> bool:
        """Put the file aside and go on in another, unless that cannot be done now; called between two writes."""
        turn = put_aside(self._path, self._connection)
        if turn is None:
            self._full_at += max(1, self._segment_entries // 10) if self._segment_entries else 0
            return False
        self._connection = turn.writing
        self._log_in_own_time()
        self._full_at = turn.asides[-1].last + self._segment_entries if self._segment_entries else float("inf")
        self.turns.append(turn)
        return True

    def release(self) -> None:
        self._connection.close()  # Takes back what an unfinished transaction did.
        self._lock.release()

    def _has_ripe(self) -> bool:
        ripe = self._whereabouts.ripe
        return not ripe.filed and ripe.upto <= self._written_seq

    def _log_in_own_time(self) -> None:
        """Keep SQLite from writing the log into the file within a commit, which somebody waits for: `tidy` does it."""
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._logged_pages = 0
        self._roomy = False

    def _wants_room(self) -> bool:
        return not self._roomy and self._logged_pages >= BRIEF_PAGES

    def _make_room(self) -> None:
        """Give the log its full length at once, in zeros: a commit that overwrites takes two thirds of the time of one that also has to
        flush that the file has grown.

        Zeros are no frames of a log (their salt is wrong): whoever recovers it stops before them, as before what is left of older ones.
        """
        self._roomy = True
        with suppress(OSError), open(f"{self._path}-wal", "r+b", buffering=0) as log:
            length_bytes = log.seek(0, os.SEEK_END)
            try:
                log.write(bytes(max(0, LOG_BYTES - length_bytes)))
                os.fsync(log.fileno())
            except OSError:  # No room, then: it goes on growing by itself as long as it can.
                log.truncate(length_bytes)

    def _write_log(self) -> None:
        self._logged_pages = 0
        # What is in the log is durable. If the file has no room for it, it stays there until there is, or a commit finds none either.
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _file(self, shelf: Shelf, most: int) -> None:
        """Bring the index up to date with the next ``most`` effects of ``shelf``, and, after the last of them, with its seals.

        In the order of the ids, so that neighbours go to the same page; a slice at a time, so that nobody waits long. A crash
        between two slices does no harm: the index then has more than it says it has.
        """
        waiting = sorted(shelf.effects) if self._unfiled is None else self._unfiled
        effects, rest = waiting[:most], waiting[most:]
        places = [shelf.effects[effect] for effect in effects]
        rows: list[Any] = [None] * (4 * len(effects))
        rows[0::4] = keys(effects)
        for column in range(3):
            rows[column + 1 :: 4] = [place[column] for place in places]
        try:
            self._insert(_INTO_EFFECTS, 4, rows)
            if not rest:
                self._insert(_INTO_SEALS, 2, [value for agent in sorted(shelf.seals) for value in (key(agent), shelf.seals[agent])])
                self._connection.execute("UPDATE indexed SET upto = ?", (shelf.upto,))
        except sqlite3.Error as error:
            raise cannot_write(self._path, error) from error
        self._logged_pages += len(effects) // 8
        self._whereabouts.mark_filed(effects)
        shelf.filed = not rest
        self._unfiled = rest or None

    def _insert(self, template: str, width: int, values: list[Any]) -> None:
        """Insert rows of ``width`` values, given end to end, in as few steps as can be.

        Not `executemany`: `packing` says why. It is padded with NULLs to a power of two, so that a dozen prepared statements fit
        batches of all sizes.
        """
        most = self._most_rows * width
        for start in range(0, len(values), most):
            part = values[start : start + most]
            rows = 1 << (len(part) // width - 1).bit_length()
            part.extend([None] * (rows * width - len(part)))
            self._connection.execute(_statement(template, width, rows), part)


@cache
def _statement(template: str, width: int, rows: int) -> str:
    return template.format(",".join([f"({','.join('?' * width)})"] * rows))
