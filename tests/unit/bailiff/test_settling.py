"""What a person found out about an effect is put on record, by whoever may."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from bailiwick.bailiff import Settings, load, read_ledger, settle, writing_process
from bailiwick.bailiff.opening import open_ledger
from bailiwick.clock import SystemClock
from bailiwick.codec import decode, encode
from bailiwick.effects import NOT_HAPPENED, Attempt, EffectClass, Failure, Happened, Outcome, Settler, Status
from bailiwick.errors import LedgerUnavailable, NotFound, Refused
from bailiwick.ids import EffectId
from bailiwick.ledger import newest_attestation
from bailiwick.ledger.backends.sqlite import SqliteLedger
from tests.postgres import url_of
from tests.story import Story

FAILED = Failure(code="tool_failed", type="bailiwick.errors:ToolFailed", message="the bank never saw it")


def settings() -> Settings:
    return load(principal="ada@analytical")


def paying() -> EffectId:
    """An effect in doubt, on record."""
    story = Story()
    story.begin()
    pay = story.use("pay", kind=EffectClass.IRREVERSIBLE, is_open=True)
    story.keep(settings().home_path)
    return pay


def say(effect: EffectId, finding: Happened[bytes] | Failure | object) -> Outcome | Attempt:
    return asyncio.run(settle(settings(), effect, finding, why="looked", clock=SystemClock()))  # type: ignore[arg-type]


def on_record(effect: EffectId) -> Outcome | Attempt | None:
    past = read_ledger(settings()).find(effect)
    assert past is not None
    return past.outcome or past.attempt


def test_that_it_happened_is_an_outcome_with_the_value_and_who_said_so() -> None:
    pay = paying()
    found = say(pay, Happened(encode({"receipt": 8})))
    assert isinstance(found, Outcome)
    assert (found.status, decode(found.value)) == (Status.DONE, {"receipt": 8})
    assert found.settlement is not None
    assert (found.settlement.by, found.settlement.who, found.settlement.why) == (Settler.PERSON, "ada@analytical", "looked")
    assert on_record(pay) == found


def test_that_it_failed_is_an_outcome_too() -> None:
    pay = paying()
    found = say(pay, FAILED)
    assert isinstance(found, Outcome)
    assert (found.status, found.failure) == (Status.FAILED, FAILED)
    assert on_record(pay) == found


def test_that_it_did_not_happen_lets_it_be_tried_again_once() -> None:
    pay = paying()
    found = say(pay, NOT_HAPPENED)
    assert isinstance(found, Attempt)
    assert (found.number, found.begun) == (2, False)
    with pytest.raises(Refused, match="may be tried again already"):
        say(pay, NOT_HAPPENED)


def test_who_changes_their_mind_before_it_is_tried_again_may_say_how_it_ended() -> None:
    pay = paying()
    say(pay, NOT_HAPPENED)
    assert isinstance(say(pay, FAILED), Outcome)


@pytest.mark.parametrize("finding", [Happened(encode(8)), FAILED, NOT_HAPPENED])
def test_what_has_an_outcome_cannot_be_settled(finding: object) -> None:
    pay = paying()
    first = say(pay, Happened(encode(8)))
    with pytest.raises(Refused, match="is done: there is nothing to settle"):
        say(pay, finding)
    assert on_record(pay) == first


def test_only_what_acts_on_the_world_can_be_settled() -> None:
    story = Story()
    root = story.begin()
    story.keep(settings().home_path)
    with pytest.raises(Refused, match="resume its run"):
        say(root, FAILED)
    with pytest.raises(NotFound, match="no effect"):
        say(EffectId("eff_" + "0" * 32), FAILED)


def test_nobody_settles_while_somebody_writes() -> None:
    pay = paying()

    async def both() -> None:
        ledger = SqliteLedger.open(settings().ledger_path)
        try:
            with pytest.raises(LedgerUnavailable, match="is writing it"):
                await settle(settings(), pay, FAILED, why="", clock=SystemClock())
        finally:
            await ledger.close()

    asyncio.run(both())
    assert on_record(pay) is None


def test_nobody_settles_while_somebody_writes_on_another_host_and_anybody_may_see_it(tmp_path: Path) -> None:
    shared = load(principal="ada@analytical", ledger="postgres", postgres_url=url_of(tmp_path))
    other = msgspec.structs.replace(shared, stream="other")
    story = Story()
    story.begin()
    pay = story.use("pay", kind=EffectClass.IRREVERSIBLE, is_open=True)

    async def scenario() -> None:
        for settings in (shared, other):
            await open_ledger(settings).close()
        assert writing_process(shared) is None
        writer = open_ledger(shared)
        writer.append(*story.records)
        await writer.barrier()
        assert (writing_process(shared), writing_process(other)) == (-1, None)
        with pytest.raises(LedgerUnavailable, match="`main` is being written"):
            await settle(shared, pay, FAILED, why="", clock=SystemClock())
        await writer.barrier()  # It was not fenced off.
        await writer.close()
        assert writing_process(shared) is None
        found = await settle(shared, pay, FAILED, why="", clock=SystemClock())
        assert isinstance(found, Outcome)

    asyncio.run(scenario())


def test_what_is_settled_is_signed() -> None:
    pay = paying()
    say(pay, FAILED)
    ledger = read_ledger(settings())
    newest = newest_attestation(ledger)
    assert newest is not None
    assert newest.seq == ledger.head().seq - 1


def test_where_nothing_is_recorded_no_record_is_made() -> None:
    with pytest.raises(NotFound):
        say(EffectId("eff_" + "0" * 32), FAILED)
    assert not settings().home_path.exists()


def test_who_writes_is_seen_only_while_they_do() -> None:
    assert writing_process(settings()) is None
    paying()
    assert writing_process(settings()) is None

    async def watched() -> int | None:
        ledger = SqliteLedger.open(settings().ledger_path)
        try:
            return writing_process(settings())
        finally:
            await ledger.close()

    assert asyncio.run(watched()) is not None
    assert writing_process(settings()) is None


def test_a_writer_that_died_is_not_one(tmp_path: Path) -> None:
    paying()
    lock = settings().ledger_path.with_name("ledger.sqlite.lock")
    lock.write_text("4194305\n")  # Above the largest number a process can have.
    assert writing_process(settings()) is None
