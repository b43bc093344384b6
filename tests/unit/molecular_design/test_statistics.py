"""What chance would find: exact expectations against enumeration and seeded simulation."""

from __future__ import annotations

import random
from itertools import combinations
from statistics import mean

import pytest

from molecular_design.statistics import (
    best_so_far,
    expected_best,
    expected_curve,
    expected_hits,
    expected_regret,
    hits,
    quantile_curve,
    regret,
    top,
)

VALUES = [3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.5, 6.0]


@pytest.mark.parametrize("draws", range(1, 9))
def test_expected_best_is_the_mean_over_every_possible_draw(draws: int) -> None:
    assert expected_best(VALUES, draws) == pytest.approx(mean(max(drawn) for drawn in combinations(VALUES, draws)))


def test_expected_best_agrees_with_simulation_on_a_large_pool() -> None:
    chance = random.Random(0)
    values = [chance.gauss(9.0, 0.8) for _ in range(584)]
    simulated = mean(max(chance.sample(values, 100)) for _ in range(4_000))
    assert expected_best(values, 100) == pytest.approx(simulated, abs=0.01)


def test_expected_curve_rises_from_the_mean_to_the_best() -> None:
    curve = expected_curve(VALUES, len(VALUES))
    assert curve[0] == pytest.approx(mean(VALUES))
    assert curve[-1] == 9.0
    assert curve == sorted(curve)


def test_equal_values_are_no_difficulty() -> None:
    assert expected_best([2.0, 2.0, 2.0], 2) == pytest.approx(2.0)


@pytest.mark.parametrize("quantile", [0.05, 0.3, 0.5, 0.95, 1.0])
def test_quantiles_are_those_of_every_possible_draw(quantile: float) -> None:
    for draws, found in enumerate(quantile_curve(VALUES, len(VALUES), quantile), 1):
        bests = [max(drawn) for drawn in combinations(VALUES, draws)]
        reached = [value for value in VALUES if sum(best <= value for best in bests) / len(bests) >= quantile - 1e-12]
        assert found == min(reached)


def test_expected_hits_is_the_hypergeometric_mean() -> None:
    drawn = [len({0, 1, 2} & set(found)) for found in combinations(range(8), 4)]
    assert expected_hits(4, 8, count=3) == pytest.approx(mean(drawn))
    assert expected_hits(100, 584) == pytest.approx(1.712, abs=0.001)
    assert expected_hits(0, 0) == 0.0


def test_regret_is_the_distance_to_the_best() -> None:
    assert regret([4.0, 6.0], VALUES) == 3.0
    assert expected_regret(VALUES, 8) == 0.0


def test_the_top_is_in_order_and_equals_go_by_id() -> None:
    truth = {"b": 2.0, "a": 2.0, "c": 3.0, "d": 1.0}
    assert top(truth, 3) == ["c", "a", "b"]
    assert hits(["a", "d"], truth, 3) == 1


def test_best_so_far_never_falls() -> None:
    assert best_so_far([2.0, 1.0, 3.0, 2.0]) == [2.0, 2.0, 3.0, 3.0]
    assert best_so_far([]) == []


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="9 draws out of 8"):
        expected_best(VALUES, 9)
    with pytest.raises(ValueError, match="at least one"):
        expected_best(VALUES, 0)
    with pytest.raises(ValueError, match="quantile"):
        quantile_curve(VALUES, 3, 0.0)
    with pytest.raises(ValueError, match="draws"):
        expected_hits(-1, 8)
