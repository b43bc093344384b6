"""Arithmetic for rules: one restricted expression, for what Cedar cannot compute.

An expression is a line of Python's grammar of which little is left: numbers, given names, ``+ - * /``, comparisons, ``and or not``,
``min`` and ``max``. It has no calls of anything else, no attributes, no texts, no loops. It is read once, checked, and compiled to
closures. Its cost is bounded by its length; it changes nothing; and it ends with a number, a truth, or one refusal that says why.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from bailiwick.errors import BadInput

LENGTH = 1_000
"""Characters."""
NODES = 100
NESTING = 24
LARGEST = 1e15
"""Numbers beyond this, written, given or computed, are refused: up to here whole numbers and their sums are exact in a float."""

Number = int | float
Value = Number | bool
Names = Mapping[str, Value]
Closure = Callable[[Names], Value]

_ARITHMETIC: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
}
_ORDERS: dict[type[ast.cmpop], Callable[[Number, Number], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_PICKS: dict[str, Callable[[list[Number]], Number]] = {"min": min, "max": max}


class Computed(NamedTuple):
    """What an expression came to; or why it came to nothing, and then ``value`` is None, which no rule may take for true."""

    value: Value | None
    refusal: str = ""


class Arithmetic(NamedTuple):
    """A checked expression."""

    text: str
    names: frozenset[str]
    """Those it looks at."""
    truth: bool
    """Whether it is true or false, rather than a number."""
    nodes: int
    closure: Closure

    def compute(self, names: Names) -> Computed:
        """What it comes to with these values. Never raises: a name that is missing or no number, a division by zero, and a number that
        is too large or none are refusals."""
        try:
            return Computed(self.closure(names))
        except BadInput as refusal:
            return Computed(None, refusal.message)


def parse(text: str, names: Iterable[str], *, where: str = "expression") -> Arithmetic:
    """``text``, if it is an expression over ``names``. Raises `BadInput` that begins with ``where``, and says what is not allowed, or the
    nearest name there is."""
    known = sorted(set(names))
    if len(text) > LENGTH:
        raise BadInput(f"{where}: {len(text)} characters; at most {LENGTH}")
    if _nesting(text) > NESTING:
        raise BadInput(f"{where}: brackets more than {NESTING} deep")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadInput(f"{where}: not an expression: {error}") from None
    reader = _Reader(known, where)
    closure, truth = reader.read(tree, 0)
    return Arithmetic(text, frozenset(reader.used), truth, reader.nodes, closure)


def _nesting(text: str) -> int:
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    return deepest


class _Reader:
    """Turns a syntax tree into closures, and knows what it has seen. Numbers and truths are kept apart."""

    def __init__(self, known: list[str], where: str) -> None:
        self._known = known
        self._where = where
        self.used: set[str] = set()
        self.nodes = 0

    def read(self, node: ast.AST, depth: int) -> tuple[Closure, bool]:
        """The closure of ``node``, and whether it is a truth."""
        self.nodes += 1
        if self.nodes > NODES or depth > NESTING:
            raise BadInput(f"{self._where}: more than {NODES} parts, or more than {NESTING} within one another; split it")
        match node:
            case ast.Constant(value=bool(truth)):
                return (lambda names: truth), True
            case ast.Constant(value=int() | float() as number):
                constant = _checked(number, self._where)
                return (lambda names: constant), False
            case ast.Name(id=name):
                return self._name(name), False
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                negated = self._number(inner, depth)
                return (lambda names: -negated(names)), False
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                denied = self._truth(inner, depth)
                return (lambda names: not denied(names)), True
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _computing(_ARITHMETIC[type(op)], self._number(left, depth), self._number(right, depth)), False
            case ast.BoolOp(op=op, values=values):
                return _deciding(isinstance(op, ast.And), [self._truth(value, depth) for value in values]), True
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _ORDERS for op in ops):
                terms = [self._number(term, depth) for term in (left, *others)]
                return _comparing([_ORDERS[type(op)] for op in ops], terms), True
            case ast.Call(func=ast.Name(id=("min" | "max") as pick), args=[_, *_] as args, keywords=[]):
                terms = [self._number(term, depth) for term in args]
                choose = _PICKS[pick]
                return (lambda names: choose([term(names) for term in terms])), False
            case _:
                raise BadInput(
                    f"{self._where}: `{ast.unparse(node):.60}` is not allowed; there are numbers, {', '.join(self._known) or 'no names'}, "
                    "+ - * /, comparisons, and, or, not, min, max"
                )

    def _number(self, node: ast.AST, depth: int) -> Callable[[Names], Number]:
        closure, truth = self.read(node, depth + 1)
        if truth:
            raise BadInput(f"{self._where}: `{ast.unparse(node):.60}` is true or false, where a number is needed")
        return closure

    def _truth(self, node: ast.AST, depth: int) -> Closure:
        closure, truth = self.read(node, depth + 1)
        if not truth:
            raise BadInput(
                f"{self._where}: `{ast.unparse(node):.60}` is a number, where true or false is needed; compare it with something"
            )
        return closure

    def _name(self, name: str) -> Closure:
        if name not in self._known:
            near = difflib.get_close_matches(name, self._known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(self._known) or 'none'}"
            raise BadInput(f"{self._where}: no name `{name}`; {hint}")
        self.used.add(name)

        def look(names: Names) -> Number:
            value = names.get(name)
            if type(value) is not int and type(value) is not float:  # A truth is no number here.
                raise BadInput(f"`{name}` is {'missing' if value is None else 'not a number'}")
            return _in_bounds(value, name)

        return look


def _checked(number: float, where: str) -> Number:
    if abs(number) <= LARGEST:
        return number
    raise BadInput(f"{where}: a number is too large; at most {LARGEST:g}")


def _in_bounds(number: Number, what: str) -> Number:
    if abs(number) <= LARGEST:  # False for what is no number, too.
        return number
    raise BadInput(f"`{what}` is beyond {LARGEST:g}, or no number")


def _computing(compute: Callable[[Number, Number], Number], left: Callable[[Names], Number], right: Callable[[Names], Number]) -> Closure:
    def computed(names: Names) -> Number:
        try:
            return _in_bounds(compute(left(names), right(names)), "the result")
        except ZeroDivisionError:
            raise BadInput("division by zero") from None

    return computed


def _deciding(conjunction: bool, terms: list[Closure]) -> Closure:
    if conjunction:
        return lambda names: all(term(names) for term in terms)
    return lambda names: any(term(names) for term in terms)


def _comparing(orders: list[Callable[[Number, Number], bool]], terms: list[Callable[[Names], Number]]) -> Closure:
    def compared(names: Names) -> bool:
        values = [term(names) for term in terms]
        return all(order(left, right) for order, left, right in zip(orders, values, values[1:], strict=False))

    return compared
