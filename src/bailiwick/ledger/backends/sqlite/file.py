"""The file: how it is opened, what its errors mean, and the statements that read and fill it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bailiwick.errors import CorruptLedger, LedgerUnavailable
from bailiwick.ledger.chain import Entry, Head

APPLICATION_ID = int.from_bytes(b"BAIL", "big")

PAGE_ENTRIES = 1_000
"""How many entries are read at a time."""

PAGE = "SELECT * FROM entries WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
"""Some of the entries above one number and up to another."""

Query = Callable[[str, Sequence[Any]], list[Any]]
"""Runs one statement and returns its rows; raises a `BailiwickError` if the file cannot be read."""

_ID_CHARACTERS = 36
_NOT_A_LEDGER = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
"""Damage, and tables that are not those of the schema."""
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_NO_ACCESS = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection in autocommit mode. ``mode`` is what stands after the ``?`` of a SQLite URI. It may be used in any thread."""
    # Absolute, because the working directory may change; quoted, because it becomes part of a URI.
    uri = f"file:{quote(str(path.absolute()))}?{mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def query_of(connection: sqlite3.Connection) -> Query:
    """`Query` over a connection; errors stay those of SQLite."""
    return lambda sql, values: connection.execute(sql, values).fetchall()


def make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """See that what is committed survives a power cut. Raises `LedgerUnavailable` where readers could not be let in meanwhile."""
    found = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if found != "wal":
        why = f"{path}: its file system cannot share memory (SQLite stays in {found} mode); put it on a local disk"
        raise LedgerUnavailable(why, path=str(path))
    # `fullfsync` makes macOS flush the drive too; elsewhere it changes nothing.
    for setting in ("synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON"):
        connection.execute(f"PRAGMA {setting}")


def cannot_read(path: Path, error: sqlite3.Error) -> CorruptLedger | LedgerUnavailable:
    """What an error of SQLite means to one who reads."""
    where = str(path)
    if isinstance(error, sqlite3.ProgrammingError):
        return LedgerUnavailable(f"{path}: this ledger is closed; open it again", path=where)
    if _code(error) in _NOT_A_LEDGER:
        return CorruptLedger(f"{path}: is damaged, or is not a ledger ({error}); restore it from a copy, or name another file", path=where)
    return LedgerUnavailable(f"{path}: cannot be read ({error}); see that the file and its directory may be read", path=where)


def cannot_write(path: Path, error: sqlite3.Error | OSError) -> LedgerUnavailable:
    """What an error means to one who writes, and what to do about it."""
    code, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (_code(error), str(error))
    if code in (_NO_SPACE if isinstance(error, OSError) else _NO_ROOM):
        advice = f"what was acknowledged is safe; free space at {path.parent}, then run again with --resume"
    elif isinstance(error, OSError) or code in _NO_ACCESS:
        advice = f"make {path.parent} writable, or set `home` (BAILIWICK_HOME) to a directory that is"
    elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        advice = "what was acknowledged is safe; close the other program that has it open, then run again with --resume"
    else:
        advice = "what was acknowledged is safe as far as the file is; check it with `bailiwick effects verify`"
    return LedgerUnavailable(f"{path}: the record cannot be written ({reason}); {advice}", path=str(path))


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where Python's own wrapper, not SQLite, raised it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def key(any_id: str) -> bytes | str:
    """An id as the index has it: the 16 bytes it spells in hex; its text where it is not of that form."""
    return keys([any_id])[0]


def keys(ids: Sequence[str]) -> list[bytes] | list[bytes | str]:
    """`key` of each of ``ids``, which are all of one kind; much faster than one by one."""
    digits = "".join([any_id[4:] for any_id in ids])
    try:
        spelt = bytes.fromhex(digits)
    except ValueError:
        spelt = b""
    # Spelt back: `fromhex` takes capitals and spaces too, and two ids must never have one key.
    if spelt.hex() == digits and all(map(_ID_CHARACTERS.__eq__, map(len, ids))):
        return [spelt[start : start + 16] for start in range(0, len(spelt), 16)]
    return list(ids) if len(ids) == 1 else [key(any_id) for any_id in ids]


def last_head(query: Query, base: Head) -> Head:
    """The newest durable entry of a file that is chained to ``base``."""
    rows = query("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1", ())
    return Head(*rows[0]) if rows else base


def read_through(page: Callable[[int, int], list[Any]], after: int, last: int) -> Iterator[Entry]:
    """The entries above ``after`` and up to ``last``, a page at a time, so that nothing stays locked."""
    while after < last:
        rows = page(after, last)
        if not rows:
            return
        for row in rows:
            yield entry_of(row)
        after = rows[-1][0]


def read_entry(query: Query, seq: int, path: Path) -> Entry:
    """One entry. Raises `CorruptLedger` if it is not there, though the index says so."""
    rows = query("SELECT * FROM entries WHERE seq = ?", (seq,))
    if not rows:
        raise CorruptLedger(f"{path}: entry {seq} is missing; restore the file from a copy", path=str(path), seq=seq)
    return entry_of(rows[0])


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry in a row of the table."""
    seq, hash_, body, payload, erased = row
    return Entry(seq=seq, hash=hash_, body=body, payload=payload or b"", erased=erased or b"")
