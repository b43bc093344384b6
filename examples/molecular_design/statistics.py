"""What chance alone would have found: the exact expectation of random search, to hold a campaign against.

Random search draws ``n`` of ``N`` molecules without replacement. Its expected number of hits among the ten best is the mean of a
hypergeometric distribution; the expected best of a draw follows from the values sorted downwards: the i-th is the best exactly
when it is drawn and none above it is, which has probability C(N - i, n - 1) / C(N, n).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def best_so_far(values: Iterable[float]) -> list[float]:
    """The highest of the values seen up to and with each."""
    curve: list[float] = []
    for value in values:
        curve.append(value if not curve else max(curve[-1], value))
    return curve


def regret(values: Iterable[float], truth: Iterable[float]) -> float:
    """How far the best of ``values`` stays below the best of ``truth``. Raises `ValueError` if either is empty."""
    return max(truth) - max(values)


def top(truth: Mapping[str, float], count: int = 10) -> list[str]:
    """The ids of the ``count`` highest values, highest first; of equals the first by id."""
    return sorted(truth, key=lambda id: (-truth[id], id))[:count]


def hits(found: Iterable[str], truth: Mapping[str, float], count: int = 10) -> int:
    """How many of the ``count`` best in ``truth`` are among ``found``."""
    return len(set(found) & set(top(truth, count)))


def expected_hits(draws: int, population: int, count: int = 10) -> float:
    """How many of the ``count`` best a random search of ``draws`` out of ``population`` finds on average."""
    return count * _share(draws, population)


def expected_best(truth: Sequence[float], draws: int) -> float:
    """The average best of ``draws`` values drawn at random, without replacement, from ``truth``. Exact, in O(N)."""
    _share(draws, len(truth))
    if draws < 1:
        raise ValueError("no draw has no best value; draw at least one")
    expectation, none_above = 0.0, 1.0
    left = len(truth)
    for value in sorted(truth, reverse=True):
        # Of the `left` values not yet ruled out, the draw is `draws` at random: this one is in it with their ratio.
        drawn = draws / left
        expectation += none_above * drawn * value
        none_above *= 1.0 - drawn
        left -= 1
        if left < draws:  # All the others are in the draw: one of those above was.
            break
    return expectation


def expected_curve(truth: Sequence[float], draws: int) -> list[float]:
    """`expected_best` of 1, 2, … ``draws`` values."""
    return [expected_best(truth, count) for count in range(1, draws + 1)]


def quantile_curve(truth: Sequence[float], draws: int, quantile: float) -> list[float]:
    """For 1, 2, … ``draws`` values: the value that the best of a random draw stays at or below with probability ``quantile``."""
    if not 0.0 < quantile <= 1.0:
        raise ValueError(f"quantile={quantile}: use more than 0 and at most 1")
    _share(draws, len(truth))
    downwards = sorted(truth, reverse=True)
    return [_quantile(downwards, count, quantile) for count in range(1, draws + 1)]


def _quantile(downwards: Sequence[float], draws: int, quantile: float) -> float:
    """The last value, going down, above which nothing is drawn with probability ``quantile`` or more."""
    found, none_above = downwards[0], 1.0
    for above, value in enumerate(downwards):
        if none_above < quantile:
            break
        found = value
        none_above *= 1.0 - min(1.0, draws / (len(downwards) - above))
    return found


def expected_regret(truth: Sequence[float], draws: int) -> float:
    """How far the best of ``draws`` random values is from the best of all, on average."""
    return max(truth) - expected_best(truth, draws)


def _share(draws: int, population: int) -> float:
    if not 0 <= draws <= population:
        raise ValueError(f"{draws} draws out of {population}: draw between 0 and {population}")
    return draws / population if population else 0.0
