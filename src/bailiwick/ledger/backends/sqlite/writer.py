"""What the writing thread does with the file."""

from __future__ import annotations

import sqlite3
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from bailiwick.ledger.backends.sqlite.file import cannot_write, key
from bailiwick.ledger.backends.sqlite.lock import WriterLock
from bailiwick.ledger.backends.sqlite.whereabouts import Shelf, Whereabouts
from bailiwick.ledger.group_commit import Medium

Rows = list[Any]
"""Rows of `entries`, end to end: number, hash, body, number, hash, body …"""

_INTO_ENTRIES = "INSERT INTO entries SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL"
_INTO_EFFECTS = "INSERT OR REPLACE INTO effects SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL"
_INTO_SEALS = "INSERT OR REPLACE INTO seals SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL"
_MOST_ROWS = 1_024


class Writer(Medium[Rows]):
    """The only connection that writes, and the lock that makes it the only one."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: WriterLock, whereabouts: Whereabouts, head_seq: int) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock
        self._whereabouts = whereabouts
        self._written_seq = head_seq
        variables = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        self._most_rows = min(_MOST_ROWS, 1 << ((variables // 3).bit_length() - 1))

    def write(self, items: list[Rows]) -> None:
        rows = list(chain.from_iterable(items))
        self._written_seq = rows[-3]
        try:
            if len(rows) <= 3 * self._most_rows:
                self._insert(_INTO_ENTRIES, 3, rows)  # One statement is a transaction of its own.
            else:
                self._connection.execute("BEGIN IMMEDIATE")
                self._insert(_INTO_ENTRIES, 3, rows)
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise cannot_write(self._path, error) from error

    def tidy(self, *, last: bool) -> None:
        ripe = self._whereabouts.ripe
        if not ripe.filed and ripe.upto <= self._written_seq:
            self._file(ripe)
        if last:
            young = self._whereabouts.young
            young.upto = self._written_seq
            if young.effects or young.seals:
                self._file(young)

    def release(self) -> None:
        self._connection.close()  # Takes back what an unfinished transaction did.
        self._lock.release()

    def _file(self, shelf: Shelf) -> None:
        """Bring the index up to date with ``shelf``, in the order of the keys: neighbours go to the same page."""
        effects = sorted(((key(effect, "eff_"), place) for effect, place in shelf.effects.items()), key=_by_key)
        seals = sorted(((key(agent, "agt_"), seq) for agent, seq in shelf.seals.items()), key=_by_key)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert(_INTO_EFFECTS, 3, [value for id_, place in effects for value in (id_, place.intent, place.outcome)])
            self._insert(_INTO_SEALS, 2, [value for row in seals for value in row])
            self._connection.execute("UPDATE indexed SET upto = ?", (shelf.upto,))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise cannot_write(self._path, error) from error
        self._whereabouts.mark_filed(shelf)

    def _insert(self, template: str, width: int, values: list[Any]) -> None:
        """Insert rows of ``width`` values, given end to end, in as few steps as can be.

        Not `executemany`: that gives up Python's global lock once for each row, and while another thread computes, each time
        costs a turn of up to 5 ms. One statement with many rows gives it up once. It is padded with NULLs to a power of two,
        so that a dozen prepared statements fit batches of all sizes.
        """
        most = self._most_rows * width
        for start in range(0, len(values), most):
            part = values[start : start + most]
            rows = 1 << (len(part) // width - 1).bit_length()
            part.extend([None] * (rows * width - len(part)))
            self._connection.execute(_statement(template, width, rows), part)


def _by_key(row: tuple[bytes | str, object]) -> tuple[bool, bytes | str]:
    """SQLite's order: text before blobs."""
    return isinstance(row[0], bytes), row[0]


@cache
def _statement(template: str, width: int, rows: int) -> str:
    return template.format(",".join([f"({','.join('?' * width)})"] * rows))
