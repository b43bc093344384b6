"""Taking payloads out of files, for good."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bailiwick.ledger.backends.sqlite.aside import Archive, Aside, file_of, folder_of, missing, read_asides
from bailiwick.ledger.backends.sqlite.file import cannot_write, connect, make_durable, query_of
from bailiwick.ledger.backends.sqlite.rotation import write_anew
from bailiwick.ledger.payload import commitment

WORTH_COPYING = 0.1
"""A segment is written anew when it lost this share of its size: then the space comes back."""


def erase(path: Path, writing: sqlite3.Connection, seqs: Sequence[int]) -> int:
    """Put commitments in the place of the payloads of ``seqs``, in whichever file they are; how many had one.

    Called between two writes. Pages that held them are overwritten in place. A crash in the middle leaves some erased. Raises
    `LedgerUnavailable`, before anything was erased if a segment is not here.
    """
    archive = Archive(path, read_asides(query_of(writing)))
    by_segment: dict[Aside | None, list[int]] = {}
    for seq in seqs:
        if seq > 0:
            by_segment.setdefault(archive.holding(seq), []).append(seq)
    for aside in by_segment:
        if aside is not None and not archive.path_of(aside).exists():
            raise missing(archive.path_of(aside), aside)
    erased = 0
    try:
        for aside, numbers in by_segment.items():
            if aside is None:
                erased += _erase_here(writing, numbers).payloads
            else:
                erased += _erase_aside(file_of(path, aside.first, aside.last), numbers)
    except (sqlite3.Error, OSError) as error:
        raise cannot_write(path, error) from error
    return erased


def write_out_logs(path: Path) -> None:
    """Finish what an interrupted erasure left in the logs of segments: until then the segment itself still has what was erased."""
    for log in folder_of(path).glob("*.sqlite-wal"):
        segment = log.with_name(log.name.removesuffix("-wal"))
        if segment.exists():
            try:
                with closing(connect(segment, "mode=rw")) as connection:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise cannot_write(segment, error) from error


def _erase_aside(segment: Path, seqs: Sequence[int]) -> int:
    with closing(connect(segment, "mode=rw")) as connection:
        make_durable(connection, segment)  # While there is a log, those who read the file know that it changes.
        done = _erase_here(connection, seqs)
        if done.log_is_empty and done.freed_bytes >= WORTH_COPYING * segment.stat().st_size:
            write_anew(segment, connection)
    return done.payloads


class _Done(NamedTuple):
    payloads: int
    freed_bytes: int
    log_is_empty: bool
    """False: somebody read meanwhile, so the file has it all only when the log is written into it, at the latest when it is next opened."""


def _erase_here(connection: sqlite3.Connection, seqs: Sequence[int]) -> _Done:
    freed: list[int] = []

    def committed(payload: bytes) -> bytes:
        freed.append(len(payload))
        return commitment(payload)

    connection.create_function("committed", 1, committed)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "UPDATE entries SET erased = committed(payload), payload = NULL WHERE seq = ? AND payload NOT NULL", [(seq,) for seq in seqs]
        )
        connection.execute("COMMIT")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # Until then the file still has what the log has not.
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA secure_delete = OFF")
    return _Done(len(freed), sum(freed), not busy)
