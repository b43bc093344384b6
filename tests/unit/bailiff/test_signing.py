"""What a session signs, and which record it refuses to go on with."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick import session, tool
from bailiwick.bailiff import load, read_ledger, vouching
from bailiwick.effects import Attestation
from bailiwick.errors import BadInput, BailiwickError, CorruptLedger, LedgerUnavailable
from bailiwick.ledger import GENESIS, Place, commitment, link, prove
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_records import intent, outcome


@tool(effect="pure")
async def echo(text: str) -> str:
    """Says it again."""
    return text


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "state"


def use(home: Path, **settings: object) -> None:
    async def whole() -> None:
        async with session(home=str(home), **settings) as bw:
            await bw.use(echo, "again")

    asyncio.run(whole())


def signed(home: Path) -> list[int]:
    reader = SqliteLedger.open(home / "ledger.sqlite", read_only=True)
    found = [entry.record.seq for entry in reader.entries() if isinstance(entry.record, Attestation)]
    assert prove(reader).head.seq > 0
    asyncio.run(reader.close())
    return found


def reader_length(home: Path) -> int:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection:
        return int(connection.execute("SELECT max(seq) FROM entries").fetchone()[0])


def edit(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def chain_anew(home: Path) -> None:
    """As anybody can who may write the file."""
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection, connection:
        last = GENESIS
        for seq, body, payload, erased in connection.execute("SELECT seq, body, payload, erased FROM entries ORDER BY seq").fetchall():
            last = link(last, body, erased or commitment(payload or b""))
            connection.execute("UPDATE entries SET hash = ? WHERE seq = ?", (last, seq))


def test_each_session_ends_with_a_signature_that_is_noted_beside_the_record(home: Path) -> None:
    use(home)
    use(home)
    found = signed(home)
    assert len(found) == 2
    assert [anchor.seq for anchor in Place(str(home / "ledger.sqlite.anchors")).read().attestations] == found


def test_a_record_whose_end_was_cut_off_is_not_gone_on_with(home: Path) -> None:
    use(home)
    edit(home, "DELETE FROM entries WHERE seq > 2", "DELETE FROM effects", "UPDATE indexed SET upto = 0")
    for _ in range(2):  # The lock of the first attempt does not stand in the way of the second.
        with pytest.raises(CorruptLedger, match=f"its end was cut off.*move {home}/ledger.sqlite.anchors away"):
            use(home)
    (home / "ledger.sqlite.anchors").rename(home / "aside")
    use(home)


def test_an_older_copy_is_not_gone_on_with(home: Path, tmp_path: Path) -> None:
    """It does not know what was done since, and would do it again."""
    use(home)
    shutil.copy(home / "ledger.sqlite", tmp_path / "copy")
    use(home)
    shutil.copy(tmp_path / "copy", home / "ledger.sqlite")
    with pytest.raises(CorruptLedger, match="it is an older copy"):
        use(home)


def test_a_history_that_was_written_anew_is_not_signed_with_our_key(home: Path) -> None:
    use(home)
    edit(home, "UPDATE entries SET body = CAST(replace(body, 'echo', 'Echo') AS BLOB) WHERE seq = 2")
    edit(home, "DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)", "UPDATE indexed SET upto = 0", "DELETE FROM effects")
    chain_anew(home)
    assert signed(home) == []  # By itself it would pass for sound.
    with pytest.raises(CorruptLedger, match="it was written anew"):
        use(home)
    assert signed(home) == []


def test_a_note_that_a_crash_tore_is_no_reason_to_stop(home: Path) -> None:
    use(home)
    with (home / "ledger.sqlite.anchors").open("a") as file:
        file.write('{"seq":99,')
    use(home)
    assert len(signed(home)) == 2


def test_a_note_that_cannot_be_read_is_a_reason_to_stop(home: Path) -> None:
    use(home)
    (home / "ledger.sqlite.anchors").unlink()
    (home / "ledger.sqlite.anchors").mkdir()
    with pytest.raises(LedgerUnavailable, match="cannot be read"):
        use(home)


def test_a_ledger_in_memory_leaves_nothing_in_home(home: Path) -> None:
    use(home, ledger="memory")
    assert not home.exists()


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"anchors": ("https://example.org",)}, BadInput, "is not a place"),
        ({}, BadInput, "others can read this signing key"),
    ],
    ids=["a place that is none", "a key that others can read"],
)
def test_what_cannot_be_used_stops_the_start_and_holds_nothing(
    home: Path, settings: dict[str, object], error: type[BailiwickError], words: str
) -> None:
    use(home)
    (home / "ledger.key").chmod(0o600 if settings else 0o644)
    for _ in range(2):
        with pytest.raises(error, match=words):
            use(home, **settings)
    (home / "ledger.key").chmod(0o600)
    use(home)


def test_how_far_the_record_is_vouched_for_is_told_without_a_walk(home: Path, tmp_path: Path) -> None:
    use(home, anchors=(str(tmp_path / "there"),))
    settings = load({}, home=str(home), ledger="sqlite", anchors=(str(tmp_path / "there"), str(tmp_path / "gone")))
    reader = read_ledger(settings)
    found = vouching(settings, reader)
    asyncio.run(reader.close())
    assert found.newest is not None
    assert (found.possible, found.newest.seq, found.unsigned) == (True, reader_length(home) - 1, 0)
    assert found.anchored == {str(tmp_path / "there"): found.newest.seq}
    assert found.problems == {str(tmp_path / "gone"): "No such file or directory"}


def test_a_record_that_nobody_signed_is_told_so(home: Path) -> None:
    home.mkdir()
    ledger = SqliteLedger.open(home / "ledger.sqlite")
    ledger.append(intent(1), outcome(1))
    asyncio.run(ledger.close())
    settings = load({}, home=str(home), ledger="sqlite")
    reader = read_ledger(settings)
    assert vouching(settings, reader)[1:] == (None, 2, {}, {})
    asyncio.run(reader.close())


def test_each_stream_of_a_shared_ledger_is_noted_by_itself() -> None:
    shared = load({}, home="/h", ledger="postgres", postgres_url="postgresql://db/x", stream="lab/1")
    assert shared.anchor_path == Path("/h/ledger.lab%2F1.anchors")
    assert load({}, home="/h", ledger="sqlite").anchor_path == Path("/h/ledger.sqlite.anchors")
    assert shared.key_path == Path("/h/ledger.key")
