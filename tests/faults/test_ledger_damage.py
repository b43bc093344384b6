"""Files that were edited, torn, or never were a ledger."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.errors import BadInput, CorruptLedger, NotFound
from bailiwick.ledger import Head, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_records import effect, intent, outcome

LENGTH = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound ledger of 200 entries, closed."""
    where = tmp_path / "ledger.sqlite"

    async def fill() -> None:
        ledger = SqliteLedger.open(where)
        for number in range(LENGTH // 2):
            ledger.append(intent(number), outcome(number, value=b"value"))
        await ledger.close()

    asyncio.run(fill())
    return where


def edit(path: Path, *statements: str) -> None:
    """As somebody with a SQLite shell would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def verified(path: Path) -> Head:
    reader = SqliteLedger.open(path, read_only=True)
    try:
        return verify(reader.entries())
    finally:
        asyncio.run(reader.close())


def test_an_untouched_ledger_is_sound(path: Path) -> None:
    assert verified(path).seq == LENGTH


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["UPDATE entries SET body = CAST(replace(body, 'probe', 'Probe') AS BLOB) WHERE seq = 77"], 77),
        (["UPDATE entries SET hash = zeroblob(32) WHERE seq = 78"], 78),
        (["DELETE FROM entries WHERE seq = 79"], 79),
        (["DELETE FROM entries WHERE seq = 1"], 1),
        (
            [
                "UPDATE entries SET seq = -1 WHERE seq = 80",
                "UPDATE entries SET seq = 80 WHERE seq = 81",
                "UPDATE entries SET seq = 81 WHERE seq = -1",
            ],
            80,
        ),
        (["INSERT INTO entries SELECT 201, hash, body, payload, erased FROM entries WHERE seq = 200"], 201),
    ],
    ids=["a body edited", "a hash edited", "a row deleted", "the first row deleted", "two rows swapped", "a row put in"],
)
def test_verify_finds_the_first_entry_that_is_not_as_it_was(path: Path, statements: list[str], found: int) -> None:
    edit(path, *statements)
    with pytest.raises(CorruptLedger) as caught:
        verified(path)
    assert caught.value.facts["seq"] == found


def test_a_byte_that_flipped_on_the_disk_is_found(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = data.index(b"value", len(data) // 2)
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptLedger, match="was edited"):
        verified(path)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE entries SET hash = zeroblob(32) WHERE seq = {LENGTH}",
        f"UPDATE entries SET hash = zeroblob(32) WHERE seq = {LENGTH - 1}",
        f"UPDATE entries SET body = x'c0' WHERE seq = {LENGTH}",
        f"DELETE FROM entries WHERE seq = {LENGTH - 1}",
        f"DELETE FROM entries WHERE seq > {LENGTH - 3}",
    ],
)
def test_a_damaged_end_is_found_before_anything_is_added_to_it(path: Path, statement: str) -> None:
    edit(path, statement)
    before = path.read_bytes()
    for _ in range(2):  # The lock of the first attempt does not stand in the way of the second.
        with pytest.raises(CorruptLedger, match=str(path)) as caught:
            SqliteLedger.open(path)
        assert caught.value.facts["path"] == str(path)
        assert caught.value.facts["seq"] >= LENGTH - 2
    assert path.read_bytes() == before


def _garbage(path: Path) -> None:
    path.write_bytes(b"This is no database at all. " * 1_000)


def _garbage_header(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"\xff" * 100 + data[100:])


def _foreign(path: Path) -> None:
    path.unlink()
    edit(path, "CREATE TABLE shopping (item TEXT)")


def _no_entries(path: Path) -> None:
    edit(path, "DROP TABLE entries")


def _torn(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
@pytest.mark.parametrize("damage", [_garbage, _garbage_header, _foreign, _no_entries, _torn])
def test_what_is_no_ledger_is_named_and_left_as_it_is(path: Path, damage: Callable[[Path], None], read_only: bool) -> None:
    damage(path)
    before = path.read_bytes()
    with pytest.raises(CorruptLedger, match=str(path)) as caught:
        ledger = SqliteLedger.open(path, read_only=read_only)
        try:
            list(ledger.entries())
        finally:
            asyncio.run(ledger.close())
    assert caught.value.facts["path"] == str(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
def test_a_ledger_of_a_later_version_is_not_touched(path: Path, read_only: bool) -> None:
    edit(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="was written by a later Bailiwick .*; upgrade to read it"):
        SqliteLedger.open(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_missing_ledger_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing has been recorded here yet"):
        SqliteLedger.open(tmp_path / "ledger.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_content_is_no_record_yet_and_can_become_one(tmp_path: Path) -> None:
    """A process killed while it made the file leaves this."""
    path = tmp_path / "ledger.sqlite"
    path.touch()
    with pytest.raises(NotFound):
        SqliteLedger.open(path, read_only=True)

    async def scenario() -> None:
        ledger = SqliteLedger.open(path)
        ledger.append(intent(1))
        await ledger.close()

    asyncio.run(scenario())
    assert verified(path).seq == 1


def test_an_index_that_names_a_missing_entry_is_damage_too(path: Path) -> None:
    edit(path, "DELETE FROM entries WHERE seq = 21")
    reader = SqliteLedger.open(path, read_only=True)
    try:
        with pytest.raises(CorruptLedger, match="entry 21 is missing"):
            reader.find(effect(10))
    finally:
        asyncio.run(reader.close())
