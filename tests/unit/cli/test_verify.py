"""``bailiwick effects verify`` and ``anchor``: what they say, and with which exit code."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import bailiwick.cli.verify as command
from bailiwick import session
from bailiwick.bailiff.signing import _say_unsigned  # pyright: ignore[reportPrivateUsage]
from bailiwick.cli.app import run
from bailiwick.effects import Erasure
from bailiwick.ledger import SigningKey
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_records import intent, outcome

HOME = "state"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose settings anchor elsewhere, with a record in ``state``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "bailiwick.toml").write_text('anchors = ["elsewhere/anchors.jsonl"]\nledger = "sqlite"')
    use()
    return tmp_path


def use() -> None:
    async def whole() -> None:
        async with session(home=HOME):
            pass

    asyncio.run(whole())


def said(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> str:
    """What ``bailiwick effects …`` prints; where it fails, the line that says why."""
    assert run(["effects", *arguments, "--home", HOME]) == exit_code
    captured = capsys.readouterr()
    return captured.err if exit_code else captured.out


def cut(place: Path, entries: int) -> None:
    with closing(sqlite3.connect(place / HOME / "ledger.sqlite")) as connection, connection:
        connection.execute("DELETE FROM entries WHERE seq > (SELECT max(seq) FROM entries) - ?", (entries,))


def forget(place: Path) -> None:
    """Nothing was noted anywhere else."""
    (place / "bailiwick.toml").unlink()
    (place / HOME / "ledger.sqlite.anchors").unlink()


def add_unsigned(place: Path) -> None:
    async def whole() -> None:
        ledger = SqliteLedger.open(place / HOME / "ledger.sqlite")
        ledger.append(intent(1), outcome(1))
        await ledger.close()

    asyncio.run(whole())


def test_a_session_signs_its_record_and_anchors_the_signature(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    public = SigningKey.load(place / HOME / "ledger.key").public.hex()
    lines = said(capsys, "verify").splitlines()
    assert lines[0].startswith("3 entries, each one chained to the one before it; head ")
    assert lines[1].startswith("signed up to entry 2, at 2")
    assert lines[1].endswith(f" UTC, by {public}")
    assert lines[2:] == ["anchored up to entry 2 in elsewhere/anchors.jsonl"]


def test_programs_get_all_of_it(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    add_unsigned(place)
    found: dict[str, Any] = json.loads(said(capsys, "verify", "--json"))
    assert found["intact"] is True
    assert found["entries"] == 5
    assert len(found["head"]) == 64
    signed = found["signed"]
    assert (signed["upto"], signed["signatures"], signed["checked"], signed["tail"]) == (2, 1, True, 2)
    assert signed["keys"] == [SigningKey.load(place / HOME / "ledger.key").public.hex()]
    assert found["anchored"] == {
        "upto": 2,
        "places": [{"place": "elsewhere/anchors.jsonl", "upto": 2, "anchors": 1, "unreadable": 0}],
        "problems": {},
    }
    assert (found["erased"], found["unerased"]) == (0, [])


def test_what_is_not_signed_yet_is_said(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    add_unsigned(place)
    assert "2 entries since then are not signed yet" in said(capsys, "verify")


def test_an_end_that_was_cut_off_is_found_by_the_anchor(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    cut(place, 2)
    assert f"the end was cut off: {place}/state/ledger.sqlite.anchors says 2 entries, there are 1" in said(capsys, "verify", exit_code=7)
    (place / HOME / "ledger.sqlite.anchors").unlink()
    assert "the end was cut off: elsewhere/anchors.jsonl says 2 entries, there are 1" in said(capsys, "verify", exit_code=7)


def test_programs_are_told_what_is_wrong_too(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    cut(place, 2)
    assert run(["effects", "verify", "--json", "--home", HOME]) == 7
    found = json.loads(capsys.readouterr().out)
    assert found["intact"] is False
    assert found["seq"] == 2
    assert "cut off" in found["problem"]


def test_a_place_that_cannot_be_read_is_not_passed_over(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "elsewhere" / "anchors.jsonl").rename(place / "aside.jsonl")
    assert "not compared with elsewhere/anchors.jsonl (there is no such file: is the disk mounted?" in said(capsys, "verify", exit_code=4)
    (place / "elsewhere" / "anchors.jsonl").mkdir()
    assert "not compared with elsewhere/anchors.jsonl (Is a directory)" in said(capsys, "verify", exit_code=4)


def test_a_file_of_anchors_that_is_named_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "missing.jsonl: there are no anchors" in said(capsys, "verify", "--anchors", "missing.jsonl", exit_code=3)


def test_lines_that_are_no_anchors_are_said(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    with (place / "elsewhere" / "anchors.jsonl").open("a") as file:
        file.write("torn")
    assert "in elsewhere/anchors.jsonl; 1 of its lines are no anchors" in said(capsys, "verify")


def test_without_anchors_it_says_what_that_means(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "bailiwick.toml").unlink()
    assert "not anchored: if the end was cut off, nothing here would show it" in said(capsys, "verify")


def test_the_key_that_is_named_must_have_signed(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    public = SigningKey.load(place / HOME / "ledger.key").public.hex()
    said(capsys, "verify", "--key", public)
    said(capsys, "verify", "--key", f"{HOME}/ledger.key")
    other = SigningKey(b"t" * 32).public.hex()
    found = said(capsys, "verify", "--key", other, exit_code=7)
    assert f"is signed by another key than expected: {public}" in found
    said(capsys, "verify", "--key", other, "--key", public)
    assert "neither a public key" in said(capsys, "verify", "--key", "nonsense", exit_code=3)


def test_who_must_not_use_the_key_can_verify_by_its_public_half(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    key = place / HOME / "ledger.key"
    public = SigningKey.load(key).public.hex()
    key.chmod(0o644)
    assert "to verify without it, name its public key with --key" in said(capsys, "verify", exit_code=3)
    said(capsys, "verify", "--key", public)


def test_signatures_that_were_taken_out_are_missed_by_who_names_the_key(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    forget(place)
    cut(place, 1)
    assert "not signed: a run signs as it goes" in said(capsys, "verify")
    key = str(place / HOME / "ledger.key")
    assert "none of 2 entries is signed" in said(capsys, "verify", "--key", key, exit_code=7)


def test_a_key_that_was_exchanged_in_home_is_found_by_the_anchor(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / HOME / "ledger.key").unlink()
    SigningKey.load_or_create(place / HOME / "ledger.key")
    assert "ledger.sqlite.anchors is signed by another key than expected" in said(capsys, "verify", exit_code=7)
    (place / HOME / "ledger.sqlite.anchors").unlink()
    assert "the anchor for entry 2 in elsewhere/anchors.jsonl is signed by another key" in said(capsys, "verify", exit_code=7)


def test_anchoring_signs_what_is_not_signed(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    add_unsigned(place)
    lines = said(capsys, "anchor", "--to", "more.jsonl").splitlines()
    assert lines[0].startswith("signed up to entry 5, whose hash is ")
    assert lines[1:] == ["anchored in elsewhere/anchors.jsonl", "anchored in more.jsonl"]
    assert "anchored up to entry 5 in more.jsonl" in said(capsys, "verify", "--anchors", "more.jsonl")
    said(capsys, "anchor", "--to", "again.jsonl")
    assert "\n6 entries" in "\n" + said(capsys, "verify", "--anchors", "again.jsonl")


def test_a_printed_anchor_can_be_kept_as_it_is(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "kept.jsonl").write_text(said(capsys, "anchor", "--json"))
    assert "anchored up to entry 2 in kept.jsonl" in said(capsys, "verify", "--anchors", "kept.jsonl")


def test_while_another_process_writes_the_newest_signature_is_anchored(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    async def whole() -> None:
        ledger = SqliteLedger.open(place / HOME / "ledger.sqlite")
        ledger.append(intent(1))
        await ledger.barrier()
        assert await asyncio.to_thread(run, ["effects", "anchor", "--to", "more.jsonl", "--home", HOME]) == 0
        await ledger.close()

    asyncio.run(whole())
    captured = capsys.readouterr()
    assert captured.out.startswith("signed up to entry 2, ")
    assert "is writing the record, so this is its newest signature, not one over its end" in captured.err
    assert "anchored up to entry 2 in more.jsonl" in said(capsys, "verify", "--anchors", "more.jsonl")


def test_while_another_process_writes_what_nobody_signed_yet_waits(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    async def whole() -> None:
        ledger = SqliteLedger.open(place / "new" / "ledger.sqlite")
        ledger.append(intent(1))
        await ledger.barrier()
        assert await asyncio.to_thread(run, ["effects", "anchor", "--home", "new"]) == 3
        await ledger.close()

    asyncio.run(whole())
    said_why = capsys.readouterr().err
    assert "nothing is signed yet: process " in said_why
    assert "signs it within a minute and when it ends" in said_why


def test_a_record_without_entries_has_nothing_to_sign(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    asyncio.run(SqliteLedger.open(place / "new" / "ledger.sqlite").close())
    assert run(["effects", "anchor", "--home", "new"]) == 3
    assert "nothing is signed yet: the record is empty" in capsys.readouterr().err


def test_what_was_erased_and_what_was_to_be_is_said(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    async def whole() -> None:
        ledger = SqliteLedger.open(place / HOME / "ledger.sqlite")
        ledger.append(intent(1, arguments=b"asked"), outcome(1, value=b"answered"), Erasure(seqs=(4, 5)))
        await ledger.erase([4])
        await ledger.close()

    asyncio.run(whole())
    found = said(capsys, "verify").splitlines()
    assert found[-2:] == [
        "1 payloads were erased, as the record says",
        "1 payloads are there though the record says they were erased, the first at entry 5",
    ]


def test_a_note_beside_the_record_that_cannot_be_read_is_not_passed_over(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / HOME / "ledger.sqlite.anchors").unlink()
    (place / HOME / "ledger.sqlite.anchors").mkdir()
    assert "ledger.sqlite.anchors: cannot be read (Is a directory)" in said(capsys, "verify", exit_code=4)


def test_a_place_that_takes_no_anchor_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "anchor", "--to", "unmounted/anchors.jsonl", exit_code=4)
    assert "not anchored in unmounted/anchors.jsonl (No such file or directory)" in found


def test_where_there_is_no_record_none_is_made(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    assert run(["effects", "anchor", "--home", "nowhere"]) == 3
    assert "nothing has been recorded here yet" in capsys.readouterr().err
    assert not (place / "nowhere").exists()


def test_without_the_library_runs_go_on_and_everybody_is_told(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    _say_unsigned.cache_clear()
    for _ in range(2):
        use()
    assert [record.getMessage() for record in caplog.records] == ["the record is chained but not signed: pip install 'bailiwick[proof]'"]
    found = said(capsys, "verify")
    assert "which was not checked: pip install 'bailiwick[proof]'" in found
    assert "4 entries since then are not signed yet" in found
    assert json.loads(said(capsys, "verify", "--json"))["signed"]["checked"] is False
    assert "pip install 'bailiwick[proof]'" in said(capsys, "verify", "--key", "ab" * 32, exit_code=3)
    assert "pip install 'bailiwick[proof]'" in said(capsys, "anchor", exit_code=3)
    cut(place, 6)
    assert "the end was cut off" in said(capsys, "verify", exit_code=7)


def test_a_record_that_never_was_signed_says_how_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    forget(place)
    cut(place, 1)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert "not signed: pip install 'bailiwick[proof]'" in said(capsys, "verify")


def test_people_see_how_far_a_long_walk_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setattr(command, "MANY_ENTRIES", 3)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(["effects", "verify", "--home", HOME]) == 0
    captured = capsys.readouterr()
    assert "verifying" in captured.err
    assert captured.out.startswith("3 entries")


def test_a_bad_place_is_refused_before_anything_is_started(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    (place / "bailiwick.toml").write_text('anchors = ["https://example.org/anchors"]')
    assert "anchors: `https://example.org/anchors` is not a place" in said(capsys, "verify", exit_code=3)
