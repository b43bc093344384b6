"""Disks that are full, and places that cannot be written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger import Ledger, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.ledger.backends.sqlite import ledger as sqlite_ledger
from bailiwick.testing.ledger_records import intent
from bailiwick.testing.ledger_suite import records

KIB = 1024


def mount(where: Path, *options: str) -> None:
    """Skips the test where that is not allowed."""
    where.mkdir(exist_ok=True)
    found = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(where)], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"mounting a small disk needs root: {found.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    where = tmp_path / "small"
    mount(where, "size=1m")
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True)


async def fill(ledger: Ledger) -> tuple[int, LedgerUnavailable]:
    """Append until the disk is full; how many were acknowledged, and the refusal."""
    for number in range(1_000):
        try:
            ledger.append(intent(number, arguments=bytes(10 * KIB)))
            await ledger.barrier()
        except LedgerUnavailable as error:
            return number, error
    raise AssertionError("ten megabytes fitted")


def test_a_full_disk_is_said_in_one_line_with_what_to_do_and_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "ledger.sqlite"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300 * KIB))

    async def scenario() -> None:
        ledger = SqliteLedger.open(path)
        count, error = await fill(ledger)
        assert count > 5
        assert error.message.startswith(f"{path}: the record cannot be written (")
        assert f"free space at {small_disk}, then run again with --resume" in error.message
        assert "\n" not in error.message
        with pytest.raises(LedgerUnavailable):
            await ledger.close()
        reader = SqliteLedger.open(path, read_only=True)
        assert records(reader)[:count] == [intent(number, arguments=bytes(10 * KIB)) for number in range(count)]
        await reader.close()
        ballast.unlink()
        again = SqliteLedger.open(path)
        assert verify(again.entries()) == again.head()
        assert again.head().seq >= count
        again.append(intent(5_000))
        await again.barrier()
        await again.close()

    asyncio.run(scenario())


def test_a_database_that_may_not_grow_stops_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with what SQLite itself reports for a full disk, where no disk can be mounted."""
    connect = sqlite_ledger.connect

    def connect_to_a_small_one(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect(path, mode)
        connection.execute("PRAGMA max_page_count = 60")
        return connection

    async def scenario() -> None:
        monkeypatch.setattr(sqlite_ledger, "connect", connect_to_a_small_one)
        ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
        count, error = await fill(ledger)
        assert "database or disk is full" in error.message
        assert "--resume" in error.message
        with pytest.raises(LedgerUnavailable):
            ledger.append(intent(5_000))
        with pytest.raises(LedgerUnavailable):
            await ledger.close()
        monkeypatch.undo()
        again = SqliteLedger.open(tmp_path / "ledger.sqlite")
        assert records(again) == [intent(number, arguments=bytes(10 * KIB)) for number in range(count)]
        await again.close()

    asyncio.run(scenario())


def test_a_read_only_disk_is_refused_with_what_to_do(tmp_path: Path) -> None:
    where = tmp_path / "fixed"
    if os.geteuid() == 0:  # Permissions do not hold for root.
        mount(where, "ro", "size=1m")
    else:
        where.mkdir(mode=0o500)
    try:
        with pytest.raises(LedgerUnavailable) as caught:
            SqliteLedger.open(where / "home" / "ledger.sqlite")
        with pytest.raises(LedgerUnavailable) as caught_too:
            SqliteLedger.open(where / "ledger.sqlite")
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(where)], check=True)
    for error in (caught.value, caught_too.value):
        assert "cannot be written" in error.message
        assert "set `home` (BAILIWICK_HOME) to a directory that is" in error.message


def test_a_file_where_the_directory_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a directory")
    with pytest.raises(LedgerUnavailable, match="cannot be written"):
        SqliteLedger.open(tmp_path / "home" / "ledger.sqlite")


def test_a_directory_where_the_file_should_be_is_refused_and_the_lock_let_go(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match="cannot be written"):
            SqliteLedger.open(tmp_path / "ledger.sqlite")
