"""Arithmetic for rules ends with a number, a truth or a refusal, whatever it is given."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.charter import parse_expression
from bailiwick.errors import BadInput

NAMES = ("cpus", "hours", "queue_s")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cpus * hours / 2 - 1", 3),
        ("min(cpus, 3, hours) + max(1, -2)", 3),
        ("0 < cpus <= 4 and not hours > 2", True),
        ("cpus == 4 or hours / 0 > 1", True),
        ("-cpus", -4),
    ],
)
def test_an_expression_comes_to_a_number_or_a_truth(text: str, value: float) -> None:
    found = parse_expression(text, NAMES)
    assert found.compute({"cpus": 4, "hours": 2}) == (value, "")
    assert found.truth is isinstance(value, bool)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hours / 0 > 1", "division by zero"),
        ("1 / (cpus - cpus)", "division by zero"),
        ("queue_s > 1", "`queue_s` is missing"),
        ("cpus * 1e15 * 1e15", "the result"),
    ],
)
def test_where_there_is_no_value_it_refuses(text: str, why: str) -> None:
    found = parse_expression(text, NAMES).compute({"cpus": 4, "hours": 2})
    assert found.value is None
    assert why in found.refusal


@pytest.mark.parametrize("value", ["4", True, None, math.nan, math.inf, 1e300, 10**40, [1]], ids=repr)
def test_what_is_no_number_is_not_taken_for_one(value: object) -> None:
    assert parse_expression("cpus > 1", NAMES).compute({"cpus": value}).value is None  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cpu > 1", "did you mean `cpus`"),
        ("__import__('os')", "not allowed"),
        ("cpus.real", "not allowed"),
        ("[c for c in (1,)]", "not allowed"),
        ("lambda: 1", "not allowed"),
        ("cpus ** 99", "not allowed"),
        ("'a' * 3", "not allowed"),
        ("min()", "not allowed"),
        ("max(*cpus)", "not allowed"),
        ("min(cpus, key=cpus)", "not allowed"),
        ("cpus + (cpus > 1)", "true or false, where a number"),
        ("cpus and hours", "a number, where true or false"),
        ("cpus >", "not an expression"),
        ("1e400 > 1", "too large"),
        ("1" + "0" * 900, "too large"),
        ("9" * 5000, "at most 1000"),
        ("(" * 300 + "1" + ")" * 300, "brackets"),
        ("not " * 100 + "cpus > 1", "more than"),
        ("-" * 300 + "1", "more than"),
        ("+".join(["1"] * 200), "more than"),
        ("", "not an expression"),
        ("\0", "not an expression"),
    ],
)
def test_nothing_else_is_an_expression(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        parse_expression(text, NAMES)


texts = st.recursive(
    st.sampled_from(("cpus", "hours", "queue_s", "0", "1", "2.5", "1e15")),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner) | st.builds("min({}, {})".format, inner, inner),
    max_leaves=12,
)


@settings(deadline=None)
@given(texts, st.dictionaries(st.sampled_from(NAMES), st.floats() | st.integers() | st.booleans()))
def test_it_never_raises_and_never_leaves_its_bounds(text: str, names: dict[str, float]) -> None:
    value, refusal = parse_expression(text, NAMES).compute(names)
    assert (value is None) is bool(refusal)
    assert value is None or abs(value) <= 1e15
