"""Putting a full file aside: at every moment of it a crash leaves one file that is complete under the ledger's name.

1. The log is written into the file, so that the file alone is the record.
2. The next file is made under another name. It knows all segments before it.
3. The full file gets a second name among the segments.
4. Nobody in this process writes it any more, and what belongs to its log is removed: by that name the next file will find its own.
5. The next file takes the ledger's name, in one step. Whoever reads the old one goes on reading it, until it looks at the name again.

Until the fifth step the old file is in use, and `clear_up` takes the rest back; from then on the new one is.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from bailiwick.errors import CorruptLedger
from bailiwick.ledger.backends.sqlite.aside import Aside, base_of, file_of, folder_of, read_asides
from bailiwick.ledger.backends.sqlite.file import cannot_write, connect, last_head, make_durable, query_of
from bailiwick.ledger.backends.sqlite.schema import migrate
from bailiwick.ledger.backends.sqlite.still import StillFile

_log = logging.getLogger(__name__)

SEGMENT_ENTRIES = 1_000_000
"""A file is put aside when it has so many entries."""

_BUSY_MS = 100
"""How long readers are waited for; if they take longer, the file is put aside another time."""

_NAME = re.compile(r"(\d{12,})-(\d{12,})\.sqlite")
_NEXT = ".next"
_COPY = ".copy"
# Keys that are no text; SQLite sorts them behind every text.
_EFFECTS = "SELECT id FROM effects WHERE id >= x'' ORDER BY id"
_SEALS = "SELECT agent FROM seals WHERE agent >= x'' ORDER BY agent"
_BESIDE = ("-wal", "-shm", "-journal")


class Turn(NamedTuple):
    """A file took the place of a full one."""

    writing: sqlite3.Connection
    reading: sqlite3.Connection
    asides: tuple[Aside, ...]


def put_aside(path: Path, writing: sqlite3.Connection) -> Turn | None:
    """Make the file that ``writing`` has open a segment and begin another one; called by the only writer, with no transaction open.

    None if that cannot be done now: then all is as before. Raises `LedgerUnavailable` if it failed half way: then nothing may be
    written any more, and whoever opens the ledger next finds one file or the other.
    """
    try:
        if not _write_log(writing):
            return None
        query = query_of(writing)
        asides = read_asides(query)
        base = base_of(asides)
        last = last_head(query, base)
        if last == base:
            return None
        aside = Aside(base.seq + 1, *last, *_range(writing, _EFFECTS), *_range(writing, _SEALS))
        _make_next(path, (*asides, aside), indexed_seq=query("SELECT upto FROM indexed", ())[0][0])
        _name_twice(path, aside)
    except (sqlite3.Error, OSError) as error:
        _log.warning("%s: could not be put aside, and grows on: %s", path, error)
        with suppress(OSError):
            clear_up(path)
        return None
    try:
        writing.close()
        _remove_beside(path)
        _switch(path)
        return _open_next(path, (*asides, aside))
    except (sqlite3.Error, OSError) as error:
        raise cannot_write(path, error) from error


def clear_up(path: Path) -> None:
    """Take back what an interrupted `put_aside` or a copying of segments left. Raises `OSError`."""
    for left in (path.with_name(path.name + _NEXT), *folder_of(path).glob(f"*{_COPY}")):
        _remove_beside(left)
        left.unlink(missing_ok=True)


def check_segments(path: Path, writing: sqlite3.Connection) -> None:
    """See that no segment holds what the file that is written holds as well, or does not know of; called when it was opened for writing.

    The second name of a file that was not put aside after all is taken away. Raises `CorruptLedger` for anything else: the file is
    older than its segments, and to append to it would give numbers away twice.
    """
    query = query_of(writing)
    base = base_of(read_asides(query))
    for first, last, segment in _found(path):
        if first <= base.seq:
            continue
        with closing(StillFile(segment)) as still:
            theirs = still.query("SELECT hash FROM entries WHERE seq = ?", (last,))
        ours = query("SELECT hash FROM entries WHERE seq = ?", (last,))
        if first != base.seq + 1 or not ours or ours != theirs:
            raise CorruptLedger(
                f"{path}: does not know the segment {segment.name}, whose entries follow entry {base.seq}: it is older than that, or "
                "another ledger's; restore it from a newer copy",
                path=str(path),
                seq=first,
            )
        segment.unlink()
        flush_directory(segment.parent)


def has_segments(path: Path) -> bool:
    """Whether there are any segments of a ledger at ``path``."""
    return bool(_found(path))


def flush_directory(directory: Path) -> None:
    """A new file survives a power cut once its name does."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_anew(segment: Path, connection: sqlite3.Connection) -> None:
    """Copy a segment without the room that what was erased has left, and put the copy in its place, durably. Its log must be empty."""
    copy = segment.with_name(segment.name + _COPY)
    copy.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    copy.replace(segment)
    _remove_beside(segment)  # Of the old one, if somebody still has that open.
    flush_directory(segment.parent)


def _write_log(writing: sqlite3.Connection) -> bool:
    waits_ms = writing.execute("PRAGMA busy_timeout").fetchone()[0]
    writing.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    try:
        busy, _, _ = writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        writing.execute(f"PRAGMA busy_timeout = {waits_ms}")
    return not busy


def _range(writing: sqlite3.Connection, sql: str) -> tuple[bytes | None, bytes | None]:
    """The smallest and the largest key that ``sql`` selects."""
    low, high = (writing.execute(f"{sql} {way} LIMIT 1").fetchone() for way in ("ASC", "DESC"))
    return low and low[0], high and high[0]


def _make_next(path: Path, asides: Sequence[Aside], *, indexed_seq: int) -> None:
    clear_up(path)
    new = path.with_name(path.name + _NEXT)
    with closing(connect(new, "mode=rwc")) as connection:
        make_durable(connection, path)
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)", asides)
        connection.execute("UPDATE indexed SET upto = ?", (indexed_seq,))
        connection.execute("COMMIT")
    with new.open("rb") as file:
        os.fsync(file.fileno())


def _name_twice(path: Path, aside: Aside) -> None:
    folder = folder_of(path)
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        flush_directory(folder.parent)
    os.link(path, file_of(path, aside.first, aside.last))
    flush_directory(folder)


def _remove_beside(path: Path) -> None:
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _switch(path: Path) -> None:
    path.with_name(path.name + _NEXT).replace(path)
    _remove_beside(path)  # Of a reader that was slow to open the old file.
    flush_directory(path.parent)


def _open_next(path: Path, asides: tuple[Aside, ...]) -> Turn:
    writing = connect(path, "mode=rw")
    try:
        make_durable(writing, path)
        writing.execute("SELECT upto FROM indexed").fetchone()
        reading = connect(path, "mode=ro")
        # Not before a question does it open the log, which must be the one of this file and not of one after it.
        reading.execute("SELECT upto FROM indexed").fetchone()
    except BaseException:
        writing.close()
        raise
    return Turn(writing, reading, asides)


def _found(path: Path) -> list[tuple[int, int, Path]]:
    """What there is among the segments, by number."""
    folder = folder_of(path)
    names = [(_NAME.fullmatch(name), name) for name in (os.listdir(folder) if folder.is_dir() else ())]
    return sorted((int(match[1]), int(match[2]), folder / name) for match, name in names if match)
