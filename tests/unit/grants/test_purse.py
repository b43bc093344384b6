"""Purses: what they admit, what they refuse and how, and who is told."""

from __future__ import annotations

import asyncio
import math

import pytest

from bailiwick.effects import FREE, Cost
from bailiwick.errors import BadInput, OverBudget
from bailiwick.grants import NOTHING_HELD, Budget, Hold, Low, Purse


def usd(amount: float) -> Cost:
    return Cost(usd=amount)


def test_what_is_held_is_not_there_for_others_until_it_is_settled() -> None:
    purse = Purse(Budget(usd=10))
    hold = purse.hold("act", usd(7))
    with pytest.raises(OverBudget) as refusal:
        purse.hold("act", usd(4))
    assert refusal.value.facts == {"resource": "usd", "limit": 10, "spent": 0, "held": 7}
    hold.settle(usd(2))
    assert (purse.left["usd"], purse.held["usd"], purse.spent) == (8, 0, usd(2))


def test_cents_add_up_without_leaving_crumbs() -> None:
    purse = Purse(Budget(usd=1.0))
    for _ in range(10):
        purse.hold("act", usd(0.1)).settle(usd(0.1))
    assert (purse.spent.usd, purse.left["usd"]) == (1.0, 0.0)


def test_a_purse_that_is_used_up_admits_nothing_not_even_what_seems_free() -> None:
    purse = Purse(Budget(usd=1))
    purse.hold("act", usd(1)).settle(usd(1))
    with pytest.raises(OverBudget):
        purse.hold("look", FREE)


def test_a_parent_that_gave_all_away_still_does_what_is_free() -> None:
    purse = Purse(Budget(usd=1))
    child = purse.carve(Budget(usd=1), "child")
    purse.hold("look", FREE).settle(FREE)
    child.hold("act", usd(1)).settle(usd(1))
    child.close()
    with pytest.raises(OverBudget):
        purse.hold("look", FREE)


def test_calls_count_against_every_pattern_that_they_match() -> None:
    purse = Purse(Budget(calls={"send_*": 2, "send_mail": 1, "*": 3}))
    purse.hold("send_mail", FREE).settle(FREE)
    with pytest.raises(OverBudget, match="send_mail"):
        purse.hold("send_mail", FREE)
    purse.hold("send_fax", FREE).settle(FREE)
    with pytest.raises(OverBudget) as refusal:
        purse.hold("send_fax", FREE)
    assert refusal.value.facts["resource"] == "calls.send_*"
    purse.hold("read", FREE).settle(FREE)
    with pytest.raises(OverBudget):
        purse.hold("read", FREE)
    assert purse.calls == {"send_mail": 1, "send_fax": 1, "read": 1}


def test_irreversible_effects_are_counted_apart() -> None:
    purse = Purse(Budget(irreversible=1))
    purse.hold("look", FREE).settle(FREE)
    hold = purse.hold("pay", FREE, irreversible=True)
    with pytest.raises(OverBudget, match="irreversible"):
        purse.hold("pay", FREE, irreversible=True)
    hold.release()
    purse.hold("pay", FREE, irreversible=True).settle(FREE)
    assert (purse.left["irreversible"], purse.held["irreversible"]) == (0, 0)
    purse.hold("look", FREE).settle(FREE)


def test_settled_twice_or_released_after_is_once() -> None:
    purse = Purse(Budget(usd=10, calls={"act": 5}))
    hold = purse.hold("act", usd(5))
    hold.settle(usd(3))
    hold.settle(usd(3))
    hold.release()
    other = purse.hold("act", usd(5))
    other.release()
    other.settle(usd(5))
    assert (purse.spent, purse.left["usd"], purse.calls["act"]) == (usd(3), 7, 1)
    NOTHING_HELD.settle(usd(5))
    NOTHING_HELD.release()


@pytest.mark.parametrize("hostile", [-5.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("budget", [Budget(), Budget(usd=100)])
def test_no_cost_refills_a_purse_or_makes_it_useless(hostile: float, budget: Budget) -> None:
    purse = Purse(budget)
    purse.hold("act", usd(5)).settle(Cost(usd=hostile, tokens=7))
    purse.hold("act", FREE).settle(Cost(usd=hostile, tokens=7))
    purse.recall("act", Cost(usd=hostile), 1)
    assert (purse.spent.usd, purse.spent.tokens) == (5, 14)
    with pytest.raises(BadInput):
        Purse(Budget(usd=100)).hold("act", usd(hostile))


def test_an_effect_that_cost_more_than_was_thought_is_counted_whole_and_then_nothing_is_admitted() -> None:
    root = Purse(Budget(usd=10))
    child = root.carve(Budget(usd=4), "child")
    child.hold("act", usd(1)).settle(usd(6))
    assert (child.spent, root.spent, root.left["usd"]) == (usd(6), usd(6), 4)  # The excess is the parent's loss.
    with pytest.raises(OverBudget):
        child.hold("act", FREE)
    child.close()
    assert root.left["usd"] == 4


def test_a_child_cannot_be_given_what_the_parent_has_not() -> None:
    root = Purse(Budget(usd=10, calls={"send_*": 3}))
    root.hold("act", usd(3))
    root.carve(Budget(usd=5), "first")
    for too_much in (Budget(usd=3), Budget(calls={"send_*": 4})):
        with pytest.raises(OverBudget):
            root.carve(too_much, "second")
    root.carve(Budget(usd=2), "second")
    with pytest.raises(OverBudget):
        root.hold("act", usd(0.5))


def test_a_child_without_a_budget_draws_on_its_parent() -> None:
    root = Purse(Budget(usd=10))
    child = root.carve(None, "child").carve(None, "grandchild")
    child.hold("act", usd(9)).settle(usd(9))
    with pytest.raises(OverBudget):
        root.hold("act", usd(2))
    assert child.left == {"usd": 1}


def test_a_limited_child_of_an_unlimited_parent_is_limited_and_costs_the_parent_nothing() -> None:
    root = Purse(Budget())
    child = root.carve(Budget(usd=1), "child")
    with pytest.raises(OverBudget):
        child.hold("act", usd(2))
    child.hold("act", usd(1)).settle(usd(1))
    root.hold("act", usd(1e9)).settle(usd(5))
    assert root.spent == usd(6)


def test_a_childs_pattern_is_kept_within_every_pattern_above_it() -> None:
    root = Purse(Budget(calls={"*": 3}))
    child = root.carve(Budget(calls={"send_*": 5}), "child")
    for _ in range(3):
        child.hold("send_mail", FREE).settle(FREE)
    with pytest.raises(OverBudget):
        child.hold("send_mail", FREE)


def test_depth_and_spawns_are_limits_on_launching() -> None:
    root = Purse(Budget(depth=2, spawns=3))
    child = root.carve(Budget(spawns=1), "child")
    grandchild = child.carve(None, "grandchild")
    with pytest.raises(OverBudget) as refusal:
        grandchild.carve(None, "great-grandchild")
    assert refusal.value.facts["resource"] == "depth"
    with pytest.raises(OverBudget, match="spawns"):
        child.carve(None, "another")
    with pytest.raises(OverBudget, match="spawns"):
        root.carve(Budget(spawns=1), "another")
    root.carve(None, "another").close(launched=False)
    root.carve(None, "another")
    with pytest.raises(OverBudget):
        root.carve(None, "one more")


def test_a_childs_depth_never_reaches_below_its_parents() -> None:
    child = Purse(Budget(depth=1)).carve(Budget(depth=100), "child")
    with pytest.raises(OverBudget):
        child.carve(None, "grandchild")


def test_one_owner_has_one_purse() -> None:
    root = Purse(Budget(usd=5))
    root.carve(Budget(usd=1), "child")
    with pytest.raises(BadInput):
        root.carve(Budget(usd=1), "child")
    assert root.left["usd"] == 4
    root["child"].close()
    assert root.carve(Budget(usd=5), "child") is root["child"]


def test_closing_stops_all_below_and_what_is_under_way_is_still_counted() -> None:
    root = Purse(Budget(usd=10))
    child = root.carve(Budget(usd=8), "child")
    grandchild = child.carve(None, "grandchild")
    hold = grandchild.hold("act", usd(3))
    child.close()
    child.close()
    for purse in (child, grandchild):
        with pytest.raises(OverBudget):
            purse.hold("act", FREE)
        with pytest.raises(OverBudget):
            purse.carve(None, "late")
    assert root.left["usd"] == 7
    hold.settle(usd(1))
    assert (root.left["usd"], root.spent) == (9, usd(1))
    assert [purse.owner for purse in root] == [""]


def test_running_low_is_told_once_for_each_crossing() -> None:
    root, said = Purse(Budget(usd=100, tokens=100), owner="root"), list[Low]()
    root.on_low(said.append, 0.2)
    root.hold("act", usd(79)).settle(usd(79))
    assert said == []
    for _ in range(3):
        root.hold("act", usd(1)).settle(usd(1))
    assert said == [Low("root", "usd", 100.0, 20.0, 0.2)]
    root.carve(Budget(tokens=90), "child").close()
    root.carve(Budget(tokens=90), "child")
    assert [low.resource for low in said] == ["usd", "tokens", "tokens"]


def test_running_low_is_told_before_the_first_refusal_however_much_is_left() -> None:
    said = list[Low]()
    purse = Purse(Budget(usd=10))
    purse.on_low(said.append)
    for _ in range(3):
        with pytest.raises(OverBudget):
            purse.hold("act", usd(11))
    assert [low.left for low in said] == [10]


def test_who_shares_a_purse_is_told_when_that_runs_low_until_it_ends() -> None:
    said = list[str]()
    root = Purse(Budget(usd=10), owner="root")
    child = root.carve(None, "child")
    child.on_low(lambda low: said.append(low.owner), 0.5)
    root.hold("act", usd(5)).settle(usd(5))
    assert said == ["root"]
    child.close()
    root.hold("act", usd(5)).settle(usd(5))
    assert said == ["root"]


def test_whoever_is_told_may_spend_and_what_it_raises_leaves_the_sums_right() -> None:
    purse = Purse(Budget(usd=10))

    def panic(low: Low) -> None:
        purse.hold("shout", usd(1)).settle(usd(1))
        raise RuntimeError(low.resource)

    purse.on_low(panic, 0.5)
    with pytest.raises(RuntimeError, match="usd"):
        purse.hold("act", usd(5)).settle(usd(5))
    assert (purse.spent, purse.left["usd"]) == (usd(6), 4)


def test_ten_thousand_tasks_at_once_get_no_more_than_there_is() -> None:
    purse = Purse(Budget(usd=1_000, calls={"act": 2_000}), owner="root")
    agents = [purse.carve(None if number % 2 else Budget(usd=5), f"agent{number}") for number in range(100)]
    admitted = [0]

    async def act(number: int) -> None:
        try:
            hold = agents[number % 100].hold("act", usd(1))
        except OverBudget:
            return
        admitted[0] += 1
        await asyncio.sleep(0)
        await asyncio.create_task(settle(hold))

    async def settle(hold: Hold) -> None:
        hold.settle(usd(1))

    async def scenario() -> None:
        await asyncio.gather(*(act(number) for number in range(10_000)))

    asyncio.run(scenario())
    assert purse.spent.usd == purse.calls["act"] == admitted[0] == 1_000
    assert purse.left["usd"] == 0
