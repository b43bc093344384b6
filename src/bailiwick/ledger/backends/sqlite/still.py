"""Files that are read without disturbing whoever may write them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger.backends.sqlite.file import cannot_read, connect


class _Stamp(NamedTuple):
    """What changes when somebody opens the file for writing, writes it, or puts another in its place."""

    modified_ns: int
    size_bytes: int
    inode: int
    has_log: bool


class StillFile:
    """A file of a ledger as it is at each question, also while another process writes it or puts another file in its place.

    It makes no file. SQLite would, to look at a file that nobody has open; such a file is read as immutable instead, and when it
    turns out to have changed meanwhile, the question is asked again in the ordinary way.
    """

    def __init__(self, path: Path) -> None:
        """Raises `LedgerUnavailable` if it is not there."""
        self.path = path
        self._closed = False
        self._connect()

    @property
    def inode(self) -> int:
        """Tells the file that was read last from another of the same name."""
        return self._stamp.inode

    def query(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The rows of one statement. Raises `CorruptLedger` or `LedgerUnavailable`."""
        while True:
            try:
                rows = self.connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                if self._closed or not self._changed():
                    raise cannot_read(self.path, error) from error
            else:
                if not self._changed():
                    return rows
            self.connection.close()
            self._connect()

    def close(self) -> None:
        """May be called again; a question then raises `LedgerUnavailable`."""
        self._closed = True
        self.connection.close()

    def _connect(self) -> None:
        self._stamp = stamp = self._look()
        try:
            self.connection = connect(self.path, "mode=ro" if stamp.has_log else "immutable=1")
        except sqlite3.Error as error:
            raise cannot_read(self.path, error) from error

    def _changed(self) -> bool:
        """Whether a file that was taken as immutable is not, or another has its name now."""
        now = self._look()
        return now.inode != self._stamp.inode if self._stamp.has_log else now != self._stamp

    def _look(self) -> _Stamp:
        try:
            found = self.path.stat()
        except OSError as error:
            raise LedgerUnavailable(f"{self.path}: cannot be read ({error.strerror})", path=str(self.path)) from error
        return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino, self.path.with_name(f"{self.path.name}-wal").exists())
