"""Limits on pace: in every window, by any clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bailiwick.clock import Clock
from bailiwick.effects import FREE, Cost
from bailiwick.errors import BadInput, OverBudget, Paced, Unavailable
from bailiwick.grants import Budget, Purse
from bailiwick.testing import VirtualClock, run


def usd(amount: float) -> Cost:
    return Cost(usd=amount)


class SetClock(Clock):
    """Shows what it is told to."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s

    def now_ns(self) -> int:
        return self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    async def sleep(self, duration: timedelta) -> None:
        self.now_s += duration.total_seconds()


def test_pace_holds_in_every_window_and_says_when_there_is_room() -> None:
    clock = SetClock()
    purse = Purse(Budget(tokens_per_min=100, calls_per_min={"send_*": 2}), clock=clock)
    purse.hold("chat", Cost(tokens=100)).settle(Cost(tokens=60))
    purse.hold("chat", Cost(tokens=40)).settle(Cost(tokens=40))
    with pytest.raises(Paced) as refusal:
        purse.hold("chat", Cost(tokens=1))
    assert isinstance(refusal.value, Unavailable)
    wait_s = refusal.value.facts["retry_after_s"]
    assert 60 <= wait_s <= 62
    clock.now_s += wait_s - 0.01
    with pytest.raises(Paced):
        purse.hold("chat", Cost(tokens=1))
    clock.now_s += 0.01
    purse.hold("chat", Cost(tokens=100)).release()
    purse.hold("chat", Cost(tokens=100))
    with pytest.raises(OverBudget):  # No waiting helps.
        purse.hold("chat", Cost(tokens=101))
    for tool in ("send_mail", "send_fax"):
        purse.hold(tool, FREE).settle(FREE)
    with pytest.raises(Paced):
        purse.hold("send_mail", FREE)


def test_a_refusal_by_pace_holds_nothing() -> None:
    purse = Purse(Budget(usd=10, calls={"act": 5}, calls_per_min={"act": 1}), clock=SetClock())
    purse.hold("act", usd(1)).settle(usd(1))
    with pytest.raises(Paced):
        purse.hold("act", usd(1))
    assert purse.left == {"usd": 9, "calls.act": 4}


def test_a_clock_that_goes_back_makes_no_room() -> None:
    clock = SetClock()
    purse = Purse(Budget(usd_per_hour=1), clock=clock)
    purse.hold("act", usd(1)).settle(usd(1))
    for now_s in (0.0, -1e9, 900.0, 1_100.0):
        clock.now_s = now_s
        with pytest.raises(Paced):
            purse.hold("act", usd(1))
    clock.now_s = 1_000.0 + 3_600 * 33 / 32 + 1
    purse.hold("act", usd(1))


def test_children_keep_the_pace_of_all_above_them() -> None:
    clock = SetClock()
    root = Purse(Budget(tokens_per_min=100), clock=clock)
    child = root.carve(Budget(tokens_per_min=500), "child")
    child.hold("chat", Cost(tokens=100)).settle(Cost(tokens=100))
    with pytest.raises(Paced):
        root.carve(None, "other").hold("chat", Cost(tokens=1))


def test_a_limit_on_pace_needs_a_clock() -> None:
    with pytest.raises(BadInput, match="clock"):
        Purse(Budget(tokens_per_min=1))
    root = Purse(Budget())
    with pytest.raises(BadInput):
        root.carve(Budget(tokens_per_min=1), "child")
    assert [purse.owner for purse in root] == [""]


def test_who_can_wait_is_held_for_as_soon_as_there_is_room() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        purse = Purse(Budget(calls_per_min={"act": 2}), clock=clock)
        began_ns = clock.monotonic_ns()
        for _ in range(5):
            (await purse.hold_in_time("act", FREE, within=timedelta(minutes=3))).settle(FREE)
        assert 120 <= (clock.monotonic_ns() - began_ns) / 1e9 < 130
        with pytest.raises(Paced):
            for _ in range(3):
                (await purse.hold_in_time("act", FREE, within=timedelta(seconds=10))).settle(FREE)

    run(scenario())
