"""Trees of purses after a crash, and deep ones."""

from __future__ import annotations

import pytest

from bailiwick.effects import FREE, Cost
from bailiwick.errors import BadInput, OverBudget
from bailiwick.grants import Budget, Purse, PurseTree, restored, state_of


def usd(amount: float) -> Cost:
    return Cost(usd=amount)


def test_what_a_crash_left_in_doubt_stays_held_until_it_is_settled() -> None:
    root = Purse(Budget(usd=10, irreversible=2), owner="root")
    child = root.carve(Budget(usd=6), "child")
    hold = child.hold("pay", usd(4), effect="eff_1", irreversible=True)
    assert child.hold("pay", usd(4), effect="eff_1", irreversible=True) is hold
    back = restored(state_of(root))
    assert (back["child"].left["usd"], back.left["irreversible"]) == (2, 1)
    with pytest.raises(OverBudget):
        back["child"].hold("pay", usd(3))
    again = back["child"].hold("pay", usd(4), effect="eff_1", irreversible=True)  # It was admitted: it is not asked for twice.
    again.settle(usd(1))
    assert (back["child"].left["usd"], back.left["irreversible"], back.spent) == (5, 1, usd(1))


def test_what_is_settled_or_released_is_held_no_more() -> None:
    root = Purse(Budget(usd=10), owner="root")
    plain = Purse(Budget(), owner="root")
    for purse in (root, plain):
        purse.hold("pay", FREE, effect="eff_1").settle(usd(1))
        purse.hold("pay", usd(4), effect="eff_2").release()
        assert state_of(purse).held == ()
    root.hold("pay", usd(4), effect="eff_2")
    assert root.left["usd"] == 5


def test_what_is_held_since_before_a_crash_is_never_refused() -> None:
    purse = Purse(Budget(usd=1), owner="root")
    purse.hold_doubtful("eff_1", "pay", usd(3))
    with pytest.raises(OverBudget):
        purse.hold("pay", FREE)
    purse.hold_doubtful("eff_1", "pay", usd(3)).release()
    purse.hold("pay", usd(1))


def test_what_is_held_by_whoever_ended_is_still_held_after_a_crash() -> None:
    root = Purse(Budget(usd=10), owner="root")
    child = root.carve(Budget(usd=6), "child")
    child.hold("pay", usd(4), effect="eff_1")
    child.close()
    back = restored(state_of(root))
    assert back.left["usd"] == root.left["usd"] == 6


def test_a_tree_that_is_none_is_refused() -> None:
    state = state_of(Purse(Budget(), owner="root"))
    for broken in (PurseTree(), PurseTree(purses=(*state.purses, *state.purses))):
        with pytest.raises(BadInput):
            restored(broken)


def test_a_deep_tree_is_no_trouble() -> None:
    purse = root = Purse(Budget(usd=1e6), owner="root")
    for number in range(3_000):
        purse = purse.carve(Budget(usd=1e6 - number), f"agent{number}")
    purse.hold("act", usd(1)).settle(usd(1))
    assert root.spent == usd(1)
    assert len(state_of(root).purses) == 3_001
    root["agent0"].close()
    assert root.left["usd"] == 1e6 - 1
