"""Entries on their way into the file: a batch is handed over as one string of bytes and a list of where its rows are in it.

Not `executemany`: that gives up Python's global lock once for each row, and while another thread computes, each time costs a turn of
up to 5 ms (measured beside one busy thread: 640 rows a second). Not one statement with a value for each column either: to bind five
values a row, and to prepare statements of many lengths, takes 1.6 times the time that this does, most of it under that lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

Row = tuple[int, bytes, bytes, bytes]
"""Number, hash, body and payload, which is empty where there is none."""

_BITS = 21
_ROOM = (1 << _BITS) - 1
"""So many bytes at most are packed: three numbers below that fit into one of SQLite's."""

# `value` is where a row begins, the length of its body and that of its payload, side by side in one number.
_PACKED = """
INSERT INTO entries
SELECT :first + key, substr(:bytes, at, 32), substr(:bytes, at + 32, body), nullif(substr(:bytes, at + 32 + body, payload), x''), NULL
FROM (SELECT key, (value >> 42) + 1 AS at, value >> 21 & 0x1fffff AS body, value & 0x1fffff AS payload FROM json_each(:shape))
"""
_SINGLE = "INSERT INTO entries VALUES (?, ?, ?, nullif(?, x''), NULL)"


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """Append ``rows``, whose numbers follow one another, in one transaction, durably; return their bytes together.

    Raises `sqlite3.Error`; then none is there, though the transaction may still be open.
    """
    if len(rows) == 1:
        connection.execute(_SINGLE, rows[0])  # One statement is a transaction of its own.
        return _size_bytes(rows[0])
    parts = list(_packed(rows))
    if len(parts) > 1:
        connection.execute("BEGIN IMMEDIATE")
    for sql, values, _ in parts:
        connection.execute(sql, values)
    if len(parts) > 1:
        connection.execute("COMMIT")
    return sum(size_bytes for _, _, size_bytes in parts)


def _packed(rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[object], int]]:
    """Statements with what they are given and their size: each has as many rows as can be packed, or one that is too large for that."""
    first, shape, parts, at = rows[0][0], list[int](), list[bytes](), 0
    for row in rows:
        seq, hash_, body, payload = row
        body_bytes, payload_bytes = len(body), len(payload)
        row_bytes = 32 + body_bytes + payload_bytes
        if at + row_bytes > _ROOM:
            if shape:
                yield _PACKED, (first, b"".join(parts), str(shape)), at
            first, shape, parts, at = seq, [], [], 0
            if row_bytes > _ROOM:
                yield _SINGLE, row, row_bytes
                first = seq + 1
                continue
        shape.append(at << 2 * _BITS | body_bytes << _BITS | payload_bytes)
        parts += (hash_, body, payload)
        at += row_bytes
    if shape:
        yield _PACKED, (first, b"".join(parts), str(shape)), at


def _size_bytes(row: Row) -> int:
    return 32 + len(row[2]) + len(row[3])
