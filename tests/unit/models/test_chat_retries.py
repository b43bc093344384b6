"""Asking again: when, how often, how long after. Every wait is on the virtual clock."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from bailiwick.errors import Unavailable
from bailiwick.models import ChatModel, Completion, Message
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble
from tests.unit.models.told import ask

BUSY = Misbehaviour(status=503)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_until_it_answers(status: int) -> None:
    told = ask(*[Misbehaviour(status=status)] * 3)
    assert isinstance(told.came_to, Completion)
    assert told.requests == 4
    # Back-offs of 0.5, 1 and 2 s, each shortened by up to half.
    assert 1.75 <= told.waited_s <= 3.5


def test_bytes_sent_are_counted_over_all_attempts() -> None:
    once, twice = ask(), ask(BUSY)
    assert isinstance(once.came_to, Completion)
    assert isinstance(twice.came_to, Completion)
    assert twice.came_to.sent_bytes == 2 * once.came_to.sent_bytes > 0


def test_retries_are_bounded_and_the_error_says_how_many_there_were() -> None:
    told = ask(*[BUSY] * 10, retries=4)
    assert type(told.error) is Unavailable
    assert told.error.facts == {"status": 503, "sent": True, "attempts": 5}
    assert told.requests == 5


def test_without_retries_a_busy_server_is_asked_once() -> None:
    assert ask(BUSY, retries=0).requests == 1


@pytest.mark.parametrize(
    ("value", "least_s"),
    [("7", 7.0), ("2.5", 2.5), ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0), ("0", 0.0)],
)
def test_retry_after_is_waited_for_and_not_much_longer(value: str, least_s: float) -> None:
    told = ask(Misbehaviour(status=429, headers={"Retry-After": value}))
    assert isinstance(told.came_to, Completion)
    assert least_s <= told.waited_s <= least_s + 0.5


def test_a_date_without_a_zone_is_in_universal_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        waited_s = ask(Misbehaviour(status=503, headers={"Retry-After": "Thu, 01 Jan 2026 00:00:40 -0000"})).waited_s
    time.tzset()
    assert 40.0 <= waited_s <= 40.5


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "9" * 5000, "inf", "Thu, 99 Jan 2026 00:00:30 GMT"])
def test_a_retry_after_that_makes_no_sense_is_as_good_as_none(value: str) -> None:
    told = ask(Misbehaviour(status=429, headers={"Retry-After": value}))
    assert isinstance(told.came_to, Completion)
    assert 0.25 <= told.waited_s <= 0.5


def test_a_retry_after_in_the_past_means_now() -> None:
    past = {"Retry-After": "Wed, 31 Dec 2025 00:00:00 GMT"}
    assert ask(Misbehaviour(status=503, headers=past)).waited_s <= 0.5
    assert ask(Misbehaviour(status=500, headers=past)).error.facts["retry_after_s"] == 0.0


def test_a_retry_after_longer_than_the_asker_waits_is_handed_to_the_asker() -> None:
    told = ask(Misbehaviour(status=429, headers={"Retry-After": "3600"}), max_wait=timedelta(minutes=1))
    assert told.error.facts["retry_after_s"] == 3600.0
    assert (told.requests, told.waited_s) == (1, 0.0)


def test_the_last_error_says_when_to_come_back() -> None:
    told = ask(*[Misbehaviour(status=500, headers={"Retry-After": "9"})])
    assert told.error.facts == {"status": 500, "sent": True, "retry_after_s": 9.0, "attempts": 1}


def test_two_askers_turned_away_in_the_same_moment_come_back_apart() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        async with ModelDouble() as double:
            double.misbehave(BUSY, BUSY)
            chat = ChatModel(double.url, "double", clock=VirtualClock())

            async def ask(text: str) -> float:
                await chat.complete([Message(role="user", content=text)])
                return loop.time()

            return list(await asyncio.gather(ask("one"), ask("two")))

    first, second = run(main())
    assert first != second
    assert [first, second] == run(main())
