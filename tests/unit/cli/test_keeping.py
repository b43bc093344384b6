"""``bailiwick ledger`` and ``bailiwick effects erase``: what goes, what stays, what is asked and what is refused."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bailiwick.bailiff import load, read_ledger
from bailiwick.clock import SystemClock
from bailiwick.codec import encode
from bailiwick.effects import Attempt, EffectClass, Erasure, Failure, Intent, Kind, Outcome, Record, Seal, Settlement, Settler, Status
from bailiwick.gateway import MILESTONES
from bailiwick.ids import RunId, agent_of, ask_of, effect_id
from bailiwick.ledger import Entry, prove
from bailiwick.ledger.backends.postgres import PostgresLedger
from bailiwick.ledger.backends.sqlite import SqliteLedger
from tests.postgres import url_of
from tests.unit.cli.commands import home, refused, said, told

NOW_NS = SystemClock().now_ns()
DAY_NS = round(timedelta(days=1).total_seconds() * 1e9)
SECRET = "the patient's name"


def root(number: int) -> RunId:
    return RunId(f"run_{1_000 + number:012x}{number:020x}")


def opened(number: int, *, days_ago: float, name: str = "main") -> Intent:
    run = root(number)
    at_ns = NOW_NS - round(days_ago * DAY_NS)
    return Intent(
        id=ask_of(run),
        run=run,
        agent=agent_of(ask_of(run)),
        position="",
        kind=Kind.RUN,
        tool=name,
        effect=EffectClass.IDEMPOTENT,
        arguments=encode({"who": SECRET}),
        at_ns=at_ns,
    )


def used(number: int, position: str = "1", *, days_ago: float) -> Intent:
    run = root(number)
    return Intent(
        id=effect_id(run, position),
        run=run,
        agent=agent_of(ask_of(run)),
        position=position,
        kind=Kind.TOOL,
        tool="look",
        effect=EffectClass.READ,
        arguments=encode({"who": SECRET}),
        at_ns=NOW_NS - round(days_ago * DAY_NS),
    )


def ended(intent: Intent, *, days_ago: float) -> Outcome:
    at_ns = NOW_NS - round(days_ago * DAY_NS)
    return Outcome(id=intent.id, status=Status.DONE, value=encode(SECRET), started_ns=intent.at_ns, ended_ns=at_ns)


def retried(intent: Intent) -> Attempt:
    failure = Failure(code="failed", type="builtins:OSError", message=SECRET)
    return Attempt(id=intent.id, number=2, failure=failure, settlement=Settlement(by=Settler.RETRY))


def remembered(number: int, state: str, *, days_ago: float = 0) -> Seal:
    return Seal(agent=agent_of(ask_of(root(number))), state=encode(state), at_ns=NOW_NS - round(days_ago * DAY_NS))


def write(records: Sequence[Record], segment_entries: int = 4) -> None:
    async def fill() -> None:
        ledger = SqliteLedger.open(home() / "ledger.sqlite", segment_entries=0)
        for number, record in enumerate(records, 1):
            ledger.append(record)
            if segment_entries and number % segment_entries == 0:
                assert isinstance(ledger, SqliteLedger)
                await ledger.rotate()
        await ledger.close()

    asyncio.run(fill())


def entries() -> list[Entry]:
    reader = read_ledger(load())
    try:
        assert prove(reader).unerased == ()
        return list(reader.entries())
    finally:
        asyncio.run(reader.close())


def holding() -> list[int]:
    """The entries that hold a payload."""
    return [entry.seq for entry in entries() if entry.payload]


def old_and_young() -> list[Record]:
    """A run that ended forty days ago, one that ended today, one that goes on, and a session of last year."""
    old, act, doubt = opened(1, days_ago=50), used(1, days_ago=50), used(1, "2", days_ago=50)
    young, alive = opened(2, days_ago=50), opened(3, days_ago=50)
    session = opened(4, days_ago=300, name="session")
    return [
        old,  # 1
        act,  # 2
        retried(act),  # 3
        ended(act, days_ago=50),  # 4
        remembered(1, "older", days_ago=45),  # 5
        remembered(1, "newest", days_ago=41),  # 6: stays
        doubt,  # 7: stays, it has no outcome
        ended(old, days_ago=40),  # 8
        young,  # 9
        ended(young, days_ago=1),  # 10
        alive,  # 11
        remembered(3, "older", days_ago=45),  # 12
        remembered(3, "newest", days_ago=1),  # 13
        Seal(agent=MILESTONES, state=b"\xa3old", at_ns=NOW_NS - 45 * DAY_NS),  # 14
        Seal(agent=MILESTONES, state=b"\xa3new", at_ns=NOW_NS - 40 * DAY_NS),  # 15: stays
        session,  # 16: is open, and stays
        used(4, days_ago=299),  # 17: is open, and stays
        act_of_session := used(4, "2", days_ago=299),  # 18
        ended(act_of_session, days_ago=299),  # 19
    ]


GO = [1, 2, 3, 4, 5, 8, 14, 18, 19]


def test_what_ended_long_ago_goes_and_all_else_stays(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    all_of_them = holding()
    before = [(entry.seq, entry.hash, entry.body) for entry in entries()]
    assert told(capsys, "ledger", "compact", "--dry-run")["payloads"] == len(GO)
    assert holding() == all_of_them
    found = told(capsys, "ledger", "compact", "--yes")
    assert (found["payloads"], found["erased"], found["effects"], found["states"]) == (len(GO), len(GO), 3, 2)
    assert holding() == [seq for seq in all_of_them if seq not in GO]
    after = entries()
    assert [(entry.seq, entry.hash, entry.body) for entry in after[: len(before)]] == before
    erasure = after[-2].record  # Before the signature.
    assert isinstance(erasure, Erasure)
    assert erasure.seqs == tuple(GO)
    assert erasure.why.startswith("compacted: ended before")
    assert told(capsys, "ledger", "compact", "--yes")["payloads"] == 0


@pytest.mark.parametrize(
    ("option", "goes"), [(("--keep-days", "0"), [*GO, 9, 10]), (("--before", "44d"), [14, 18, 19]), (("--before", "1971-01-01"), [])]
)
def test_how_much_goes_can_be_said(capsys: pytest.CaptureFixture[str], option: tuple[str, str], goes: list[int]) -> None:
    write(old_and_young())
    all_of_them = holding()
    told(capsys, "ledger", "compact", "--yes", *option)
    assert holding() == [seq for seq in all_of_them if seq not in goes]


def test_nothing_goes_when_there_is_nobody_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    all_of_them = holding()
    assert "say --yes, or --dry-run" in refused(capsys, "ledger", "compact")
    assert "say --yes, or --dry-run" in refused(capsys, "effects", "erase", "--run", root(1))
    assert "not both" in refused(capsys, "ledger", "compact", "--before", "1d", "--keep-days", "1")
    assert "say what to erase" in refused(capsys, "effects", "erase")
    assert holding() == all_of_them


def test_an_erased_effect_says_so_and_nothing_of_it_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    act = used(1, days_ago=50)
    assert SECRET in said(capsys, "effects", "show", act.id)
    assert "4 payloads" not in said(capsys, "effects", "erase", act.id[-12:], "--dry-run")
    assert "3 payloads were erased" in said(capsys, "effects", "erase", act.id[-12:], "--why", "she asked", "--yes")
    shown = said(capsys, "effects", "show", act.id)
    assert "erased" in shown
    assert SECRET not in shown
    erasure = entries()[-2].record
    assert isinstance(erasure, Erasure)
    assert (erasure.seqs, erasure.why) == ((2, 3, 4), "she asked")
    assert "nothing to erase" in said(capsys, "effects", "erase", act.id, "--yes")


def test_a_run_is_erased_with_all_that_it_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    told(capsys, "effects", "erase", "--run", root(1), "--yes")
    assert not {1, 2, 3, 4, 7, 8} & set(holding())
    assert {5, 6, 9, 10} <= set(holding())


def test_what_an_agent_remembered_is_erased_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    assert told(capsys, "effects", "erase", "--agent", agent_of(ask_of(root(1))), "--yes")["states"] == 2
    assert not {5, 6} & set(holding())
    assert "no agent on record" in refused(capsys, "effects", "erase", "--agent", "nobody", "--yes")


def test_a_run_that_could_be_resumed_is_not_erased_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    all_of_them = holding()
    assert f"{root(3)} has not ended" in refused(capsys, "effects", "erase", "--run", root(3), "--yes")
    assert f"{root(3)} has not ended" in refused(capsys, "effects", "erase", "--agent", agent_of(ask_of(root(3))), "--yes")
    assert holding() == all_of_them
    assert told(capsys, "effects", "erase", "--run", root(3), "--yes", "--force")["alive"] == [root(3)]
    assert holding() == [seq for seq in all_of_them if seq != 11]


def test_status_shows_every_file_and_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    found = told(capsys, "ledger", "status")
    assert found["entries"] == 19
    assert [(segment["first"], segment["last"]) for segment in found["segments"]] == [(1, 4), (5, 8), (9, 12), (13, 16), (17, 19)]
    (home() / "ledger.segments" / "000000000005-000000000008.sqlite").unlink()
    assert [segment["bytes"] is None for segment in told(capsys, "ledger", "status")["segments"]] == [False, True, False, False, False]
    assert "not here" in said(capsys, "ledger", "status")
    assert "entries 5 to 8 are in this segment, and it is not here" in refused(capsys, "effects", "verify", exit_code=4)
    assert "is not here" in refused(capsys, "ledger", "compact", "--yes", exit_code=4)
    assert "no segment begins with entry 6" in refused(capsys, "effects", "verify", "--from", "6")
    assert "entries 1 to 8 were not looked at" in said(capsys, "effects", "verify", "--from", "9")
    assert told(capsys, "effects", "verify", "--from", "9")["from"] == 9
    with closing(sqlite3.connect(home() / "ledger.segments" / "000000000009-000000000012.sqlite")) as connection, connection:
        connection.execute("UPDATE entries SET hash = zeroblob(32) WHERE seq = 12")
    assert "entry 12 was edited" in refused(capsys, "effects", "verify", "--from", "9", exit_code=7)


def test_status_shows_how_far_it_is_signed_and_anchored(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    assert "no signature is on record" in said(capsys, "ledger", "status")
    assert told(capsys, "ledger", "status")["signed"] is None
    said(capsys, "effects", "anchor")
    assert "signed up to entry 19\n" in said(capsys, "ledger", "status")
    write([opened(9, days_ago=0)])
    assert "signed up to entry 19; 1 entries since" in said(capsys, "ledger", "status")


def test_status_of_a_shared_record_shows_what_each_host_writes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAILIWICK_LEDGER", "postgres")
    monkeypatch.setenv("BAILIWICK_POSTGRES_URL", url_of(tmp_path))

    async def fill() -> None:
        for stream, records in (("main", old_and_young()[:3]), ("laptop", [opened(9, days_ago=0)])):
            ledger = PostgresLedger.open(url_of(tmp_path), stream=stream)
            ledger.append(*records)
            await ledger.close()

    asyncio.run(fill())
    found = told(capsys, "ledger", "status")
    assert [(stream["name"], stream["entries"], stream["epoch"]) for stream in found["streams"]] == [("laptop", 1, 1), ("main", 3, 1)]
    assert found["segments"] == []
    assert "laptop" in said(capsys, "ledger", "status")


def test_rotating_puts_the_file_aside_once(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young(), segment_entries=0)
    assert "entries 1 to 20 are in" in said(capsys, "ledger", "rotate")
    assert "no entries yet" in said(capsys, "ledger", "rotate")
    assert [segment["first"] for segment in told(capsys, "ledger", "rotate")["segments"]] == [1, 21]
    assert len(entries()) == 20


def test_keeping_house_makes_no_record_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["status"], ["rotate"], ["compact", "--yes"]):
        assert "nothing has been recorded here yet" in refused(capsys, "ledger", *command)
    assert not home().exists() or list(home().iterdir()) == []


def test_nothing_is_erased_while_somebody_writes(capsys: pytest.CaptureFixture[str]) -> None:
    write(old_and_young())
    all_of_them = holding()

    async def meanwhile() -> None:
        ledger = SqliteLedger.open(home() / "ledger.sqlite")
        await asyncio.to_thread(lambda: problems.append(refused(capsys, "ledger", "compact", "--yes", exit_code=4)))
        await ledger.close()

    problems: list[str] = []
    asyncio.run(meanwhile())
    assert "is writing it" in problems[0]
    assert holding() == all_of_them
