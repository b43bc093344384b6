"""What a budget says, in TOML and in numbers."""

from __future__ import annotations

import math
import tomllib

import msgspec
import pytest

from bailiwick.effects import FREE, Cost
from bailiwick.errors import BadInput
from bailiwick.grants import Budget
from bailiwick.grants.budget import NOTHING, amounts, as_cost, estimated, measured

WRITTEN = """
tokens = 50_000
usd = 2.5
node_hours = 0.5
irreversible = 3
spawns = 10
depth = 2
tokens_per_min = 6_000
usd_per_hour = 1
calls = { send_mail = 2, "read_*" = 100 }
calls_per_min = { "send_*" = 5 }
"""


def test_a_budget_is_flat_and_readable_in_a_file() -> None:
    budget = msgspec.convert(tomllib.loads(WRITTEN), Budget)
    assert (budget.node_hours, budget.usd_per_hour, budget.calls_per_min) == (0.5, 1.0, {"send_*": 5})
    assert budget.amounts() == {
        "node_s": 1_800_000_000_000,
        "tokens": 50_000,
        "usd": 2_500_000_000,
        "irreversible": 3,
        "spawns": 10,
        "calls.send_mail": 2,
        "calls.read_*": 100,
    }


@pytest.mark.parametrize("limit", ["usd = -1", "usd = nan", "usd = inf", "tokens = 1.5", 'calls = { "x" = -1 }', "tokns = 1", "depth = -1"])
def test_what_is_no_limit_is_refused_where_it_is_written(limit: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(tomllib.loads(limit), Budget)


@pytest.mark.parametrize("limit", [-0.5, math.nan, math.inf, True, "12"])
def test_what_is_no_limit_is_refused_in_python_too(limit: float) -> None:
    with pytest.raises(ValueError, match="a limit is a number"):
        Budget(usd=limit)


def test_the_narrowest_has_of_each_limit_the_least() -> None:
    site = Budget(usd=10, tokens=500, calls={"send_*": 5, "pay": 1}, depth=3)
    agent = Budget(usd=20, cpu_s=1.0, calls={"send_*": 9, "*": 50}, depth=1, usd_per_hour=2)
    narrow = Budget.narrowest(site, agent)
    assert narrow == Budget(usd=10, tokens=500, cpu_s=1.0, calls={"send_*": 5, "pay": 1, "*": 50}, depth=1, usd_per_hour=2)
    assert Budget.narrowest(agent, site) == narrow
    assert Budget.narrowest(narrow, site) == narrow
    assert Budget.narrowest() == Budget()


def test_a_budget_of_zero_is_a_limit_and_an_absent_one_is_none() -> None:
    assert Budget.narrowest(Budget(tokens=0), Budget(tokens=5)).tokens == 0
    assert Budget(tokens=0) != Budget()


def test_costs_are_counted_in_whole_units_and_come_back_as_they_were() -> None:
    cost = Cost(cpu_s=0.1, wall_s=0.2, node_s=3_600.0, tokens=7, usd=0.3, sent_bytes=9)
    assert amounts(cost) == (100_000_000, 200_000_000, 3_600_000_000_000, 7, 300_000_000, 9, 1)
    assert as_cost(amounts(cost)) == cost
    assert amounts(FREE) is NOTHING


HOSTILE = [
    Cost(usd=-1.0),
    Cost(usd=math.nan),
    Cost(usd=math.inf),
    Cost(usd=-math.inf),
    Cost(tokens=-(2**63)),
    Cost(tokens=math.nan),  # type: ignore[arg-type]
    Cost(tokens=math.inf),  # type: ignore[arg-type]
    Cost(usd="12"),  # type: ignore[arg-type]
    Cost(cpu_s=None),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("cost", HOSTILE, ids=repr)
def test_an_estimate_that_is_none_is_refused_and_a_cost_that_is_none_counts_as_estimated(cost: Cost) -> None:
    with pytest.raises(BadInput):
        estimated(cost)
    expected = amounts(Cost(cpu_s=1, usd=2, tokens=3))
    found = measured(cost, expected)
    assert all(isinstance(part, int) and part >= 0 for part in found)
    assert all(part in (0, whole) for part, whole in zip(found, expected, strict=True))
    assert found != NOTHING


def test_huge_numbers_are_counted_and_not_lost() -> None:
    assert amounts(Cost(tokens=2**200))[3] == 2**200
    assert amounts(Cost(usd=1e290))[4] >= 10**298
