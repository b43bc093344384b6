"""Files that are put aside by a process that is killed in the middle of it."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.effects import Intent
from bailiwick.errors import DuplicateIntent
from bailiwick.ledger import Segmented, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_records import effect, intent, outcome, seal
from tests.faults.segment_writer import SEGMENT_ENTRIES
from tests.faults.segments import reading, segments

WRITER = Path(__file__).with_name("segment_writer.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ledger.sqlite"


def killed_at(path: Path, place: int) -> tuple[list[int], bool]:
    """The effects that were acknowledged before the process was killed at that place, and whether it came to its end instead."""
    command = [sys.executable, str(WRITER), str(path), str(place)]
    found = subprocess.run(command, capture_output=True, check=False)
    lines = found.stdout.decode().split()
    assert found.returncode in (0, -9), found.stderr.decode()
    return [int(line) for line in lines if line != "end"], "end" in lines


async def goes_on_from(path: Path, promised: list[int]) -> None:
    """Nothing that was acknowledged is lost, no number is given away twice, and the record goes on."""
    ledger = SqliteLedger.open(path, segment_entries=SEGMENT_ENTRIES)
    assert isinstance(ledger, Segmented)
    head = ledger.head()
    assert verify(ledger.entries()) == head
    for number in promised:
        found = ledger.find(effect(number))
        assert found is not None
        assert found.intent == intent(number, arguments=b"%d" % number)
        with pytest.raises(DuplicateIntent):
            ledger.append(intent(number))
    for number in range(100, 104):
        ledger.append(intent(number), outcome(number), seal(0, b"%d" % number))
        await ledger.barrier()
    assert ledger.head().seq == head.seq + 12
    await ledger.close()
    reader = reading(path)
    assert verify(reader.entries()).seq == head.seq + 12
    firsts = [segment.first for segment in reader.segments()]
    assert firsts == [1, *(segment.last + 1 for segment in reader.segments()[:-1])]
    await reader.close()
    left = {found.name.split(".sqlite")[1] for found in path.parent.rglob("*.sqlite*")}
    assert left <= {"", ".lock"}


def test_a_kill_anywhere_in_putting_a_file_aside_loses_nothing(tmp_path: Path) -> None:
    place, ended = 1, False
    while not ended:
        path = tmp_path / str(place) / "ledger.sqlite"
        promised, ended = killed_at(path, place)
        if path.exists():
            before = reading(path)  # Also somebody who only reads finds all of it, before anything is repaired.
            assert verify(before.entries()) == before.head()
            assert {number for number in promised if before.find(effect(number)) is None} == set()
            asyncio.run(before.close())
        asyncio.run(goes_on_from(path, promised))
        place += 3 if place < 80 else 30  # Each third line for the first file that is put aside, samples for those after it.
    assert place > 150


def test_kills_under_load_while_files_are_put_aside_lose_nothing_that_was_acknowledged(path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from tests.faults import ledger_writer as writer\n"
        "writer.opened = lambda place: writer.SqliteLedger.open(Path(place), segment_entries=100)\n"
        "asyncio.run(writer.main(sys.argv[1]))"
    )
    chance = random.Random(13)
    promised: dict[int, int] = {}
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env=environment()) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
            lines = [process.stdout.readline() for _ in range(chance.randrange(1, 400))]
            process.kill()
            lines += process.stdout.readlines()
        promised |= {int(number): int(seq) for seq, number in (line.split() for line in lines if line.endswith(b"\n"))}
        reader = reading(path)
        entries = list(reader.entries())
        assert verify(entries) == reader.head()
        standing = {entry.record.id: entry.seq for entry in entries if isinstance(entry.record, Intent)}
        assert {number: standing.get(effect(number)) for number in promised} == promised
        asyncio.run(reader.close())
    assert len(segments(path)) > 6
    assert len(promised) > 200


def environment() -> dict[str, str]:
    """With the paths of this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
