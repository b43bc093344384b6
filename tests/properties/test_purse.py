"""A purse over random histories: nothing appears, nothing is lost (invariant 4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.effects import Cost
from bailiwick.errors import OverBudget
from bailiwick.grants import Budget, Hold, Purse

CENTS = st.integers(0, 50)
STEPS = st.lists(st.tuples(st.sampled_from(["hold", "settle", "release"]), CENTS, st.integers(0, 10)), max_size=60)


def usd(cents: int) -> Cost:
    return Cost(usd=float(cents))


@given(limit=st.integers(1, 300), calls=st.integers(0, 12), steps=STEPS)
def test_what_is_spent_and_held_never_passes_what_was_granted(limit: int, calls: int, steps: list[tuple[str, int, int]]) -> None:
    purse = Purse(Budget(usd=float(limit), calls={"act": calls}))
    held: list[tuple[Hold, int]] = []
    spent = made = 0
    for step, cents, which in steps:
        if step == "hold":
            room = spent + sum(estimate for _, estimate in held) + cents <= limit and spent < limit and made + len(held) < calls
            if room:
                held.append((purse.hold("act", usd(cents)), cents))
            else:
                with pytest.raises(OverBudget):
                    purse.hold("act", usd(cents))
        elif held:
            hold, estimate = held.pop(which % len(held))
            if step == "settle":
                spent, made = spent + min(cents, estimate), made + 1
                hold.settle(usd(min(cents, estimate)))
            hold.release()
        assert purse.spent.usd == spent <= limit
        assert purse.calls["act"] == made <= calls


@given(costs=st.lists(st.tuples(st.sampled_from(["a", "b"]), CENTS), max_size=30))
def test_a_purse_that_recalls_the_record_is_the_purse_that_wrote_it(costs: list[tuple[str, int]]) -> None:
    lived, recalled = Purse(Budget()), Purse(Budget())
    for tool, cents in costs:
        lived.hold(tool, Cost()).settle(usd(cents))
        recalled.recall(tool, usd(cents), 1)
    assert (lived.spent, lived.calls) == (recalled.spent, recalled.calls)
