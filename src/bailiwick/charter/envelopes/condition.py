"""Conditions and terms as functions of a call and its end (None while it is not known).

A condition is true, false, or None: it cannot be evaluated, because what it speaks of is not there, not known yet or of the wrong
type. Numbers are compared with numbers and texts with texts; NaN with nothing. Who asks decides what None means; it never helps.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from typing import Any, cast

from bailiwick.charter.envelopes.ending import UNKNOWN, End
from bailiwick.charter.envelopes.syntax import Compare, Condition, Every, Literal, Negated, Path, Some, Term
from bailiwick.effects import Call

NOTHING: frozenset[str] = frozenset()

Look = Callable[[Call, End | None], Any]
Test = Callable[[Call, End | None], bool | None]

ABOUT = ("agent", "agent_class", "principal")
"""Names that are of the call itself, as `cost`, `value`, `status` and `labels` are of the effect; an argument of such a name is written
``arguments.agent``."""

_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def look_up(term: Term) -> Look:
    """What ``term`` is of a call; `UNKNOWN` where it is not there."""
    if isinstance(term, Literal):
        value = term.value
        return lambda call, end: value
    first, *rest = term.parts
    match first:
        case "cost":
            name = rest[0]
            return lambda call, end: getattr(call.estimate if end is None else end.cost, name)
        case "value":
            return lambda call, end: UNKNOWN if end is None else _inside(end.value, rest)
        case "status":
            return lambda call, end: UNKNOWN if end is None else end.status.value
        case "labels":
            return _labels(".".join(rest))
        case "arguments" if rest:
            return _argument(rest)
        case _ if first in ABOUT and not rest:
            return lambda call, end: getattr(call, first)
        case _:
            return _argument([first, *rest])


def _argument(parts: list[str]) -> Look:
    first, *rest = parts
    if rest:
        return lambda call, end: _inside(call.arguments, parts)
    return lambda call, end: call.arguments.get(first, UNKNOWN)


def _labels(argument: str) -> Look:
    """Where the data in one argument, or in any, came from."""
    if argument:
        return lambda call, end: call.labels.get(argument, NOTHING)
    return lambda call, end: NOTHING.union(*call.labels.values()) if call.labels else NOTHING


def _inside(value: Any, parts: list[str]) -> Any:
    for part in parts:
        if not isinstance(value, Mapping) or part not in value:
            return UNKNOWN
        value = cast("Mapping[str, Any]", value)[part]
    return value


def test(condition: Condition) -> Test:
    """``condition`` as a function."""
    match condition:
        case Path():
            look = look_up(condition)
            return lambda call, end: found if type(found := look(call, end)) is bool else None
        case Negated():
            inner = test(condition.part)
            return lambda call, end: None if (found := inner(call, end)) is None else not found
        case Every():
            return _all([test(part) for part in condition.parts], decided_by=False)
        case Some():
            return _all([test(part) for part in condition.parts], decided_by=True)
        case Compare():
            return _compare(condition)


def _all(parts: list[Test], *, decided_by: bool) -> Test:
    """True unless one is false, or false unless one is true; None where one that cannot be evaluated could decide it."""

    def decide(call: Call, end: End | None) -> bool | None:
        unknown = False
        for part in parts:
            found = part(call, end)
            if found is decided_by:
                return decided_by
            unknown = unknown or found is None
        return None if unknown else not decided_by

    return decide


def _compare(condition: Compare) -> Test:
    left, right = look_up(condition.left), look_up(condition.right)
    if condition.sign == "like":
        return _like(left, cast(Literal, condition.right).value)
    if condition.sign == "in":
        if isinstance(condition.right, Path) and condition.right.parts == ("labels",) and isinstance(condition.left, Literal):
            label = condition.left.value
            return lambda call, end: any(label in found for found in call.labels.values()) if call.labels else False
        return lambda call, end: _contains(right(call, end), left(call, end))
    sign, exact = _SIGNS[condition.sign], condition.sign in ("==", "!=")
    if isinstance(condition.right, Literal) and type(condition.right.value) is int:  # The usual case, without a detour.
        limit = condition.right.value

        def compare_with_number(call: Call, end: End | None) -> bool | None:
            found = left(call, end)
            return sign(found, limit) if type(found) is int else _judge(sign, exact, found, limit)

        return compare_with_number

    def compare(call: Call, end: End | None) -> bool | None:
        return _judge(sign, exact, left(call, end), right(call, end))

    return compare


def _judge(sign: Callable[[Any, Any], bool], exact: bool, left: Any, right: Any) -> bool | None:
    """Numbers with numbers, texts with texts; whether it is true, false or nothing also with what is of another type."""
    if isinstance(left, str) and isinstance(right, str):
        return sign(left, right)
    if left is None or right is None:
        return sign(left, right) if exact and left is not UNKNOWN and right is not UNKNOWN else None
    if isinstance(left, bool) or isinstance(right, bool):
        return sign(left, right) if exact and isinstance(left, bool) and isinstance(right, bool) else None
    if isinstance(left, (int, float)) and isinstance(right, (int, float)) and left == left and right == right:
        return sign(left, right)
    return None


def _like(look: Look, pattern: str) -> Test:
    matches = re.compile(translate(pattern)).match

    def like(call: Call, end: End | None) -> bool | None:
        found = look(call, end)
        return matches(found) is not None if isinstance(found, str) else None

    return like


def _contains(holder: Any, item: Any) -> bool | None:
    """Whether ``item`` is in a list, or, as text, within a text."""
    if item is UNKNOWN or holder is UNKNOWN:
        return None
    if isinstance(holder, frozenset) and isinstance(item, str):
        return item in holder
    if isinstance(holder, str):
        return item in holder if isinstance(item, str) else None
    if not isinstance(holder, (list, tuple, frozenset, set)):
        return None
    found = [_judge(operator.eq, True, item, one) for one in cast("list[Any]", holder)]
    if True in found:
        return True
    return None if None in found else False


def amount(found: Any) -> float:
    """What adds to a total: a number that is not negative. Infinite where it cannot be told, so that no bound holds."""
    if type(found) is not int and type(found) is not float:
        return math.inf
    try:
        found = float(found)
    except OverflowError:
        return math.inf
    return found if found >= 0 else math.inf
