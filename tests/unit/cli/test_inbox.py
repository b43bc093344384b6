"""``bailiwick inbox``: what waits, the card, what is decided; with a process that runs and without one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bailiwick import codec
from bailiwick.bailiff import load, read_ledger
from bailiwick.charter import Approval, OnTimeout
from bailiwick.effects import EffectClass, Intent, Ruling
from bailiwick.errors import Rejected
from tests.unit.bailiff.waiting import intent, leave, open_door, park
from tests.unit.cli.commands import refused, said, told

ME = "ada@analytical"
BIG = Approval(tool="pay", name="big payments", reason="over 100 EUR", ask=(ME, "bob"))
PAY = intent(1, to="Zoë", amount=700)


@pytest.fixture(autouse=True)
def _as_ada(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAILIWICK_PRINCIPAL", ME)


Asked = tuple[Intent, Approval]


def left_waiting(*asked: Asked) -> None:
    """What a process leaves that was stopped while these waited."""

    async def whole() -> None:
        async with open_door(load(), with_desk=False) as door:
            await leave(await park(door, *asked))

    asyncio.run(whole())


def goes_on(*asked: Asked) -> list[Intent]:
    """What is done when the run is resumed and everything was decided."""

    async def whole() -> list[Intent]:
        async with open_door(load(), with_desk=False) as door:
            return [await door.perform(*each) for each in asked]

    return asyncio.run(whole())


@contextmanager
def running(*asked: Asked) -> Iterator[Callable[[], list[Any]]]:
    """A process in which these wait, as a thread; what is yielded waits until they were decided on, and returns what came of them."""
    ready, results = threading.Event(), list[Any]()
    stop: list[Callable[[], None]] = []

    async def whole() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set) and None)
        async with open_door(load()) as door:
            tasks = await park(door, *asked)
            ready.set()
            stopped = asyncio.ensure_future(ended.wait())
            await asyncio.wait([stopped, asyncio.gather(*tasks, return_exceptions=True)], return_when="FIRST_COMPLETED")
            stopped.cancel()
            results.extend(task.exception() or task.result() if task.done() else None for task in tasks)
            await leave(tasks)

    thread = threading.Thread(target=lambda: asyncio.run(whole()))
    thread.start()
    assert ready.wait(20)

    def came_of_it() -> list[Any]:
        thread.join(20)
        assert not thread.is_alive()
        return results

    try:
        yield came_of_it
    finally:
        if thread.is_alive():
            stop[0]()
        thread.join()


def rulings() -> list[Ruling]:
    return [entry.record for entry in read_ledger(load()).entries() if isinstance(entry.record, Ruling)]


def test_what_waits_is_listed_with_who_asks_why_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    left_waiting((PAY, BIG))
    line = said(capsys, "inbox").splitlines()[-1]
    for shown in (PAY.id, 'pay(amount=700, to="Zoë")', "big payments: over 100 EUR", PAY.agent, ME, "0 of 1", "24 h"):
        assert shown in line, shown
    [listed] = told(capsys, "inbox")
    assert (listed["id"], listed["arguments"], listed["verified"]) == (PAY.id, {"to": "Zoë", "amount": 700}, True)
    assert listed["requests"][0]["asked"] == [ME, "bob"]


def test_nothing_waits_says_so_and_no_record_is_not_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert "bailiwick: " in refused(capsys, "inbox")
    left_waiting((PAY, BIG))
    said(capsys, "inbox", "reject", PAY.id, "--why", "no", "--yes")
    with pytest.raises(Rejected):
        goes_on((PAY, BIG))
    [listed] = told(capsys, "inbox")
    assert listed["state"] == "rejected"


@pytest.mark.parametrize("is_running", [True, False])
def test_a_yes_lets_just_that_go_on(capsys: pytest.CaptureFixture[str], is_running: bool) -> None:
    other = intent(2, to="Zoë", amount=700)
    if is_running:
        with running((PAY, BIG), (other, BIG)) as came:
            assert "is approved, says ada" in said(capsys, "inbox", "approve", PAY.id, "--why", "in order", "--yes")
            assert [each["id"] for each in told(capsys, "inbox")] == [other.id]
            said(capsys, "inbox", "reject", other.id[-10:], "--why", "twice", "--yes")
            first, second = came()
        assert first == PAY
        assert "ada@analytical said no: twice" in str(second)
    else:
        left_waiting((PAY, BIG), (other, BIG))
        assert "is approved, says ada" in said(capsys, "inbox", "approve", PAY.id, "--why", "in order", "--yes")
        assert goes_on((PAY, BIG)) == [PAY]
        assert [each["id"] for each in told(capsys, "inbox")] == [other.id]
    assert (rulings()[0].who, rulings()[0].why) == (ME, "in order")


@pytest.mark.parametrize("is_running", [True, False])
def test_changed_arguments_are_acted_on(capsys: pytest.CaptureFixture[str], is_running: bool) -> None:
    change = ("inbox", "modify", PAY.id, "--arguments", '{"amount": 50}', "--yes")
    if is_running:
        with running((PAY, BIG)) as came:
            assert "is modified" in said(capsys, *change)
            [through] = came()
    else:
        left_waiting((PAY, BIG))
        assert "is modified" in said(capsys, *change)
        [through] = goes_on((PAY, BIG))
    assert codec.decode(through.arguments) == {"to": "Zoë", "amount": 50}


def test_the_card_shows_all_that_one_needs(capsys: pytest.CaptureFixture[str]) -> None:
    earlier = intent(9, to="Bob", amount=700)
    left_waiting((earlier, BIG))
    said(capsys, "inbox", "approve", earlier.id, "--why", "known", "--yes")
    goes_on((earlier, BIG))
    hold = Approval(tool="pay", name="huge payments", ask=(ME, "bob"), need=2, on_timeout=OnTimeout.HOLD, escalate_to=("cfo",))
    tricky = intent(3, to="Zoë\n\x1b[2Jfor        nobody", amount=700)
    left_waiting((PAY, BIG), (tricky, hold))
    shown = said(capsys, "inbox", "show", PAY.id)
    assert "argument   amount = 700" in shown
    assert "UTC this will be rejected, in 24 h" in shown
    assert "before     " in shown
    assert '(known), with to = "Bob"; it is done' in shown
    shown = said(capsys, "inbox", "show", tricky.id)
    assert "it will be asked of those above as well" in shown
    assert "ada@analytical, bob; 2 must agree" in shown
    assert "\x1b" not in shown
    assert sum(line.startswith("for ") for line in shown.splitlines()) == 1
    assert told(capsys, "inbox", "show", PAY.id)["requests"][0]["on_timeout"] == "reject"


def test_two_must_agree_and_one_may_pass_it_on(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    both = Approval(tool="pay", ask=(ME, "bob"), need=2, escalate_to=("cfo",))
    left_waiting((PAY, both))
    assert "1 more must agree" in said(capsys, "inbox", "approve", PAY.id, "--yes")
    assert "counts once" in refused(capsys, "inbox", "approve", PAY.id, "--yes")
    monkeypatch.setenv("BAILIWICK_PRINCIPAL", "cfo")
    assert "may not decide on it yet" in refused(capsys, "inbox", "approve", PAY.id, "--yes")
    monkeypatch.setenv("BAILIWICK_PRINCIPAL", "bob")
    assert "cfo may decide as well" in said(capsys, "inbox", "escalate", PAY.id, "--yes")
    monkeypatch.setenv("BAILIWICK_PRINCIPAL", "cfo")
    assert json.loads(said(capsys, "inbox", "approve", PAY.id, "--yes", "--json"))[0]["state"] == "approved"
    monkeypatch.setenv("BAILIWICK_PRINCIPAL", ME)  # On whose behalf it is asked is part of the action.
    assert goes_on((PAY, both)) == [PAY]


def test_several_are_approved_together_only_if_they_can_be_taken_back(capsys: pytest.CaptureFixture[str]) -> None:
    writes = [(intent(number, tool="write", effect=EffectClass.COMPENSABLE, path=f"{number}"), BIG) for number in range(2, 30)]
    left_waiting((PAY, BIG), *writes)
    assert "approve one by one" in refused(capsys, "inbox", "approve", "--all", "--tool", "pay", "--yes")
    assert "say one ID, or --all" in refused(capsys, "inbox", "approve", "--all", "--yes")
    assert "say one ID, or --all" in refused(capsys, "inbox", "approve", PAY.id, "--all", "--tool", "write")
    assert "nothing of `nothing` waits" in refused(capsys, "inbox", "approve", "--all", "--tool", "nothing", "--yes")
    assert rulings() == []
    assert len(said(capsys, "inbox", "approve", "--all", "--tool", "write", "--yes").splitlines()) == 20
    assert len(rulings()) == 20


def test_a_run_is_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with running((PAY, BIG), (intent(2, to="Eve", amount=1), BIG)) as came:
        assert "is terminated" in said(capsys, "inbox", "terminate", PAY.id, "--why", "gone mad", "--yes")
        assert [type(each).__name__ for each in came()] == ["Terminated", "Terminated"]


def test_nothing_is_recorded_without_a_clear_word(capsys: pytest.CaptureFixture[str]) -> None:
    left_waiting((PAY, BIG), (intent(0x11, to="x", amount=1), BIG))
    assert "nobody here to ask" in refused(capsys, "inbox", "approve", PAY.id)
    assert "nothing waits whose id" in refused(capsys, "inbox", "approve", "fff", "--yes")
    assert "give more of it" in refused(capsys, "inbox", "approve", "0123456789ab", "--yes")
    assert "give a JSON object" in refused(capsys, "inbox", "modify", PAY.id, "--arguments", "[50]", "--yes")
    refused(capsys, "inbox", "reject", PAY.id, "--yes", exit_code=2)
    assert rulings() == []


def test_while_somebody_writes_who_cannot_be_asked_nothing_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    async def whole() -> None:
        async with open_door(load(), with_desk=False) as door:
            tasks = await park(door, (PAY, BIG))
            assert [each["id"] for each in await asyncio.to_thread(told, capsys, "inbox")] == [PAY.id]
            line = await asyncio.to_thread(refused, capsys, "inbox", "approve", PAY.id, "--yes", exit_code=4)
            assert "the record is being written, and nobody is at" in line
            await leave(tasks)

    asyncio.run(whole())
    assert rulings() == []


def test_arguments_too_long_for_a_message_are_shown_from_the_record(capsys: pytest.CaptureFixture[str]) -> None:
    long = intent(5, to="x" * 3_000_000, amount=1)
    with running((long, BIG)):
        [listed] = told(capsys, "inbox")
        assert len(listed["arguments"]["to"]) == 3_000_000
        said(capsys, "inbox", "approve", long.id, "--yes")
