"""Budgets across hosts: slices on lease, and what becomes of them when hosts, networks and clocks fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from bailiwick.clock import Clock
from bailiwick.effects import FREE, Cost
from bailiwick.errors import BadInput, OverBudget, Unavailable
from bailiwick.grants import Budget, Escrow, Mint, SliceExpired, SliceGranted, SliceRecord, SliceReturned
from bailiwick.testing import VirtualClock, run

LEASE, SKEW, MARGIN = timedelta(seconds=30), timedelta(seconds=2), timedelta(seconds=1)


class SetClock(Clock):
    """Two times, each of which shows what it is told to."""

    def __init__(self) -> None:
        self.now_s = self.wall_s = 1_000.0

    def now_ns(self) -> int:
        return int(self.wall_s * 1e9)

    def monotonic_ns(self) -> int:
        return int(self.now_s * 1e9)

    async def sleep(self, duration: timedelta) -> None:
        self.pass_by(duration.total_seconds())

    def pass_by(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.wall_s += duration_s


class Line:
    """Between one host and the mint; it can be cut, and lose answers."""

    def __init__(self, mint: Mint) -> None:
        self.mint = mint
        self.is_cut = self.loses_answers = False
        self.asked = 0

    async def draw(self, host: str, slice_id: str, wanted: Mapping[str, int]) -> SliceGranted:
        self.asked += 1
        granted = None if self.is_cut else self.mint.grant(host, slice_id, wanted)
        if granted is None or self.loses_answers:
            raise Unavailable("cut off")
        return granted

    async def give_back(self, returned: SliceReturned) -> None:
        if self.is_cut:
            raise Unavailable("cut off")
        self.mint.take_back(returned)
        if self.loses_answers:
            raise Unavailable("cut off")


class Site:
    """A mint and one host."""

    def __init__(self, total: Budget, part: float = 0.1) -> None:
        self.record: list[SliceRecord] = []
        self.clock = SetClock()
        self.total = total
        self.mint = Mint(total, self.clock, lease=LEASE, skew=SKEW, note=self.record.append)
        self.line = Line(self.mint)
        self.escrow = Escrow("hst_1", total, self.clock, self.line.draw, self.line.give_back, part=part, margin=MARGIN)

    def tick(self) -> None:
        asyncio.run(self.escrow.tick())

    def spend(self, tokens: int) -> None:
        self.escrow.purse.hold("act", Cost(tokens=tokens)).settle(Cost(tokens=tokens))


def test_a_host_spends_from_its_slice_without_asking_anybody() -> None:
    site = Site(Budget(tokens=1_000))
    with pytest.raises(Unavailable) as refusal:
        site.spend(10)
    assert refusal.value.facts["retry_after_s"] > 0
    site.tick()
    assert site.mint.out == {"tokens": 100}
    for _ in range(10):
        site.spend(10)
    assert site.line.asked == 1
    with pytest.raises(Unavailable):
        site.spend(1)
    site.tick()
    site.spend(1)


def test_what_is_needed_at_once_is_asked_for_at_once() -> None:
    site = Site(Budget(tokens=1_000))
    site.tick()
    with pytest.raises(Unavailable):
        site.spend(700)
    site.tick()
    site.spend(700)
    with pytest.raises(Unavailable):
        site.escrow.purse.carve(Budget(tokens=250), "child")
    site.tick()
    site.escrow.purse.carve(Budget(tokens=250), "child")


def test_what_no_host_has_any_more_is_refused_for_good() -> None:
    site = Site(Budget(tokens=100), part=0.5)
    for _ in range(2):
        site.tick()
        site.spend(50)
    site.tick()
    with pytest.raises(OverBudget):
        site.spend(1)
    assert site.mint.left("tokens") == 0


def test_at_the_end_of_its_lease_a_host_that_is_cut_off_stops_before_the_mint_goes_on() -> None:
    site = Site(Budget(tokens=1_000))
    site.tick()
    child = site.escrow.purse.carve(Budget(tokens=60), "child")
    site.spend(10)
    site.line.is_cut = True
    site.clock.pass_by(28.5)
    child.hold("act", Cost(tokens=1)).settle(Cost(tokens=1))
    site.clock.pass_by(0.6)
    for purse in (site.escrow.purse, child):  # What a child was given helps it as little.
        with pytest.raises(Unavailable):
            purse.hold("act", Cost(tokens=1))
        with pytest.raises(Unavailable):
            purse.hold("look", Cost(tokens=1))
    assert site.mint.expire() == []
    site.clock.pass_by(3)
    assert [expired.host for expired in site.mint.expire()] == ["hst_1"]
    assert (site.mint.spent["tokens"], site.mint.left("tokens")) == (100, 900)
    site.line.is_cut = False
    site.tick()
    assert site.mint.spent["tokens"] == 11
    child.hold("act", Cost(tokens=1)).settle(Cost(tokens=1))


@pytest.mark.parametrize("stopped", ["now_s", "wall_s"])
def test_a_lease_ends_by_whichever_clock_goes_on(stopped: str) -> None:
    site = Site(Budget(tokens=1_000))
    site.tick()
    setattr(site.clock, {"now_s": "wall_s", "wall_s": "now_s"}[stopped], 1_030.0)
    setattr(site.clock, stopped, 900.0)
    with pytest.raises(Unavailable):
        site.spend(1)


def test_what_was_held_when_the_lease_ended_is_told_when_it_is_settled_and_not_used_again() -> None:
    site = Site(Budget(tokens=1_000))
    site.tick()
    hold = site.escrow.purse.hold("act", Cost(tokens=80))
    site.line.is_cut = True
    site.clock.pass_by(29.5)
    site.tick()
    site.line.is_cut = False
    asyncio.run(site.escrow._report())
    assert [type(record) for record in site.record] == [SliceGranted]  # Nobody knows yet what it will have cost.
    hold.settle(Cost(tokens=30))
    with pytest.raises(Unavailable):
        site.spend(1)
    site.tick()
    assert site.mint.spent == {"tokens": 30}
    assert site.mint.left("tokens") == 1_000 - 30 - 100


def test_a_grant_whose_answer_got_lost_is_asked_for_under_the_same_id() -> None:
    site = Site(Budget(tokens=1_000))
    site.line.loses_answers = True
    site.tick()
    site.tick()
    assert site.mint.out["tokens"] == 100
    site.line.loses_answers = False
    site.clock.pass_by(10)
    site.tick()
    site.spend(100)
    site.line.loses_answers = True
    with pytest.raises(Unavailable):
        asyncio.run(site.escrow.close())
    site.line.loses_answers = False
    asyncio.run(site.escrow.close())
    assert (site.mint.spent["tokens"], site.mint.out["tokens"]) == (100, 0)
    assert site.escrow.reported


def test_of_a_crashed_host_the_record_counts_but_not_before_its_lease_is_over() -> None:
    site = Site(Budget(tokens=1_000))
    site.tick()
    site.spend(40)
    with pytest.raises(Unavailable) as refusal:
        site.mint.reconcile("hst_1", {"tokens": 40}, "ada")
    site.clock.pass_by(refusal.value.facts["retry_after_s"] + 0.001)
    site.mint.expire()
    assert site.mint.left("tokens") == 900
    site.mint.reconcile("hst_1", {"tokens": 40}, "ada")
    site.mint.reconcile("hst_1", {"tokens": 40}, "ada")
    assert (site.mint.left("tokens"), site.mint.spent["tokens"]) == (960, 40)
    assert [type(record) for record in site.record] == [SliceGranted, SliceExpired, SliceReturned]
    again = Mint(site.total, site.clock, lease=LEASE, skew=SKEW, record=site.record)
    assert (again.spent, again.left("tokens")) == (site.mint.spent, 960)


def test_what_an_effect_cost_beyond_its_estimate_is_told_even_if_no_slice_covers_it() -> None:
    site = Site(Budget(tokens=1_000))
    site.tick()
    site.escrow.purse.hold("act", Cost(tokens=90)).settle(Cost(tokens=130))
    with pytest.raises(Unavailable):
        site.spend(0)
    asyncio.run(site.escrow.close())
    assert (site.mint.spent["tokens"], site.mint.left("tokens")) == (130, 870)


def test_a_mint_that_cannot_write_its_record_gives_nothing() -> None:
    def full(record: SliceRecord) -> None:
        raise OSError(28, "disk full")

    mint = Mint(Budget(tokens=10), SetClock(), lease=LEASE, skew=SKEW, note=full)
    with pytest.raises(OSError, match="disk full"):
        mint.grant("hst_1", "grt_1", {"tokens": 5})
    assert mint.left("tokens") == 10


def test_a_host_cannot_speak_for_another_or_refill_the_budget() -> None:
    site = Site(Budget(tokens=1_000))
    granted = site.mint.grant("hst_1", "grt_1", {"tokens": 100})
    with pytest.raises(BadInput):
        site.mint.take_back(SliceReturned(id=granted.id, host="hst_2"))
    with pytest.raises(BadInput):
        site.mint.grant("hst_2", "grt_1", {"tokens": 1})
    site.mint.take_back(SliceReturned(id=granted.id, host="hst_1", spent={"tokens": -500}))
    site.mint.take_back(SliceReturned(id=granted.id, host="hst_1", spent={"tokens": -500}))
    assert site.mint.left("tokens") == 1_000
    for nothing in ({"tokens": 0}, {"tokens": -5}, {"usd": 5}):
        with pytest.raises(OverBudget):
            site.mint.grant("hst_1", "grt_2", nothing)


def test_calls_and_launches_come_out_of_slices_too() -> None:
    site = Site(Budget(calls={"send_*": 4}, irreversible=2, spawns=2), part=0.5)
    site.tick()
    site.escrow.purse.hold("send_mail", FREE, irreversible=True).settle(FREE)
    site.escrow.purse.carve(None, "child")
    with pytest.raises(Unavailable):
        site.escrow.purse.carve(None, "other")
    asyncio.run(site.escrow.close())
    assert site.mint.spent == {"calls.send_*": 1, "irreversible": 1, "spawns": 1}


def test_a_host_that_keeps_running_is_never_out_of_funds() -> None:
    async def scenario() -> None:
        clock = VirtualClock()
        mint = Mint(Budget(tokens=10_000), clock, lease=LEASE, skew=SKEW)
        line = Line(mint)
        escrow = Escrow("hst_1", Budget(tokens=10_000), clock, line.draw, line.give_back, margin=MARGIN)
        keeping = asyncio.create_task(escrow.run())
        await clock.sleep(timedelta(seconds=1))
        for _ in range(900):
            escrow.purse.hold("act", Cost(tokens=10)).settle(Cost(tokens=10))
            await clock.sleep(timedelta(milliseconds=200))
        keeping.cancel()
        await escrow.close()
        assert (mint.spent["tokens"], mint.out["tokens"]) == (9_000, 0)

    run(scenario())
