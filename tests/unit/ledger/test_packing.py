"""Batches as they are handed to SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import pytest

from bailiwick.ledger.backends.sqlite import packing
from bailiwick.ledger.backends.sqlite.packing import Row, insert
from bailiwick.ledger.backends.sqlite.schema import migrate

LARGE = 1 << 21


def rows_of(sizes: Sequence[tuple[int, int]], first: int) -> list[Row]:
    """Rows with bodies and payloads of these sizes, no two of them alike, with every byte there is."""
    found: list[Row] = []
    for seq, (body, payload) in enumerate(sizes, first):
        text = bytes((seq + at) % 256 for at in range(256))
        found.append((seq, (text * 1)[:32], (text * (body // 256 + 1))[:body], (text[::-1] * (payload // 256 + 1))[:payload]))
    return found


def written(rows: list[Row]) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection)
        size_bytes = insert(connection, rows)
        assert not connection.in_transaction
        assert size_bytes == sum(32 + len(body) + len(payload) for _, _, body, payload in rows)
        return connection.execute("SELECT * FROM entries ORDER BY seq").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "sizes",
    [
        [(1, 0)],
        [(0, 5)],
        [(200, 0), (100, 50)],
        [(body, payload) for body in (0, 1, 255, 256, 257) for payload in (0, 1, 16, 300)],
        [(LARGE // 2, 10)] * 5,
        [(10, 10), (10, LARGE), (10, 10)],
        [(LARGE - 33, 0), (LARGE - 32, 0), (LARGE - 31, 0), (1, 1)],
        [(LARGE, LARGE)],
    ],
    ids=["body", "payload", "two", "mixed", "parts", "large in the middle", "at the limit", "large alone"],
)
def test_rows_are_in_the_file_as_they_were_given(sizes: list[tuple[int, int]]) -> None:
    rows = rows_of(sizes, first=41)
    assert written(rows) == [(seq, hash_, body, payload or None, None) for seq, hash_, body, payload in rows]


def test_a_batch_in_several_parts_is_there_whole_or_not_at_all() -> None:
    rows = rows_of([(10, LARGE), (10, 10), (10, LARGE)], first=1)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    connection.execute("INSERT INTO entries VALUES (3, x'00', x'00', NULL, NULL)")
    with pytest.raises(sqlite3.IntegrityError):
        insert(connection, rows)
    assert connection.in_transaction
    connection.rollback()
    assert connection.execute("SELECT seq FROM entries").fetchall() == [(3,)]
    connection.close()


def test_many_rows_of_ordinary_size_are_one_statement() -> None:
    rows = rows_of([(240, 116)] * 1_000, first=1)
    assert len(list(packing._packed(rows))) == 1  # pyright: ignore[reportPrivateUsage]
