"""Sparing a question: conditions that plainly do not hold need not be put to Cedar.

A screen is a condition compiled to closures, for the plain part of Cedar's language: attributes compared with literals, ``like``, ``has``,
``contains``, and ``&& || !`` of these. It may only say that the condition does *not* hold. Where it says anything else, or cannot say,
Cedar is asked, and Cedar's word counts: no screen permits, forbids or asks for approval. tests/properties hold the two against
each other. What is put to a screen has passed `facts.told` and `facts.mismatches`, so types and ranges are as the rule takes them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from bailiwick.charter.terms import Expression, Path, parts, path_of, value_of

Facts = Mapping[str, Any]
Screen = Callable[[Facts], bool]
EXACT = 10**11
"""Decimals up to here are told apart as floats, to four places."""

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "lessThan": operator.lt,
    "lessThanOrEqual": operator.le,
    "greaterThan": operator.gt,
    "greaterThanOrEqual": operator.ge,
}


def screen(expression: Expression) -> Screen | None:
    """A function that is False only where ``expression`` is; it raises `LookupError` or `TypeError` where it cannot
    say. None: there is none."""
    operator_, inner = parts(expression)
    if operator_ in ("&&", "||", "!"):
        return _logic(operator_, inner)
    if operator_ in _ORDERS:
        return _order(_ORDERS[operator_], inner)
    if operator_ in ("==", "!="):
        return _equal(operator_ == "==", inner)
    if operator_ == "like":
        path = path_of(inner[0])
        return None if path is None else _like(path, expression["like"]["pattern"])
    if operator_ == "has":
        base = path_of(inner[0])
        return None if base is None or len(base) != 1 or base[0] != "arguments" else _has((*base, expression["has"]["attr"]))
    if operator_ == "contains":
        return _contains(inner)
    path = path_of(expression)
    return None if path is None or len(path) < 2 else _true(path)


def nothing_holds(screens: Sequence[Screen], facts: Facts) -> bool:
    """Whether every screen says that its condition does not hold."""
    try:
        for one in screens:
            if one(facts):
                return False
    except (LookupError, TypeError):
        return False
    return True


def _logic(word: str, inner: list[Expression]) -> Screen | None:
    terms = [screen(term) for term in inner]
    if any(term is None for term in terms):
        return None
    found = cast("list[Screen]", terms)
    first, last = found[0], found[-1]
    if word == "&&":
        return lambda facts: first(facts) and last(facts)
    if word == "||":
        return lambda facts: first(facts) or last(facts)
    return lambda facts: not first(facts)


def _getter(path: Path) -> Callable[[Facts], Any]:
    """What is at ``path``. What is not there, or null, cannot be compared."""
    if len(path) == 1:
        return operator.itemgetter(path[0])
    if len(path) == 2:
        top, name = path
        return lambda facts: facts[top][name]

    def get(facts: Facts) -> Any:
        found: Any = facts
        for name in path:
            found = found[name]
        return found

    return get


def _sides(inner: list[Expression]) -> tuple[Path, Any, bool] | None:
    """An attribute, the literal it is compared with, and whether the literal stands first."""
    for one, other, swapped in ((*inner, False), (*inner[::-1], True)):
        path, literal = path_of(one), value_of(other)
        if path is not None and path != ("*",) and isinstance(literal, int | float | str):
            return path, literal, swapped
    return None


def _order(compare: Callable[[Any, Any], bool], inner: list[Expression]) -> Screen | None:
    sides = _sides(inner)
    if sides is None or isinstance(sides[1], str | bool) or abs(sides[1]) > EXACT:
        return None
    path, literal, swapped = sides
    get = _getter(path)

    def ordered(facts: Facts) -> bool:
        value = get(facts)
        if type(value) is not int and type(value) is not float:
            raise TypeError
        return compare(literal, value) if swapped else compare(value, literal)

    return ordered


def _equal(same: bool, inner: list[Expression]) -> Screen | None:
    sides = _sides(inner)
    if sides is None or (not isinstance(sides[1], str) and abs(sides[1]) > EXACT):
        return None
    path, literal, _ = sides
    get = _getter(path)
    family = (str,) if isinstance(literal, str) else (bool,) if isinstance(literal, bool) else (int, float)

    def equal(facts: Facts) -> bool:
        value = get(facts)
        if not isinstance(value, family) or (isinstance(value, bool) and bool not in family):
            raise TypeError
        return (value == literal) is same

    return equal


def _like(path: Path, pattern: Iterable[Any]) -> Screen:
    """Linear in the text for each wildcard: pieces are looked for from left to right."""
    pieces = [""]
    for part in pattern:
        if part == "Wildcard":
            pieces.append("")
        else:
            pieces[-1] += part["Literal"]
    first, *rest = pieces
    get = _getter(path)

    def like(facts: Facts) -> bool:
        text = get(facts)
        if not isinstance(text, str):
            raise TypeError
        if not rest:
            return text == first
        last = rest[-1]
        if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in rest[:-1]:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return like


def _has(path: Path) -> Screen:
    top, name = path
    return lambda facts: facts[top].get(name) is not None


def _contains(inner: list[Expression]) -> Screen | None:
    path, literal = path_of(inner[0]), value_of(inner[1])
    if path is not None and path != ("*",) and isinstance(literal, str):
        get = _getter(path)

        def contains(facts: Facts) -> bool:
            value = get(facts)
            if not isinstance(value, list | tuple | set | frozenset):
                raise TypeError
            return literal in value

        return contains
    path, among = path_of(inner[1]), value_of(inner[0])
    if path is None or path == ("*",) or not isinstance(among, list) or not all(isinstance(item, str) for item in cast("list[Any]", among)):
        return None
    get, texts = _getter(path), frozenset(cast("list[str]", among))

    def among_them(facts: Facts) -> bool:
        value = get(facts)
        if not isinstance(value, str):
            raise TypeError
        return value in texts

    return among_them


def _true(path: Path) -> Screen:
    get = _getter(path)

    def true(facts: Facts) -> bool:
        value = get(facts)
        if value is not True and value is not False:
            raise TypeError
        return value

    return true
