"""Conditions, taken apart: what a Cedar expression looks at, as what, how large it is, and the same condition for other numbers.

An expression is held as Cedar's own JSON form of it: nested dictionaries of one operator each. Nothing here evaluates one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from bailiwick.charter.lookalikes import fold

Expression = dict[str, Any]
Path = tuple[str, ...]
"""Attributes of ``context``: ``("arguments", "usd")``. ``("*",)``: all of it; ``("principal",)`` and such: what the request names."""

EVERYTHING: Path = ("*",)
NUMBERS = frozenset(("number", "whole", "decimal"))
_ORDERS = {"<": "lessThan", "<=": "lessThanOrEqual", ">": "greaterThan", ">=": "greaterThanOrEqual"}
_DECIMAL_METHODS = frozenset(_ORDERS.values())
_ARITHMETIC = frozenset(("+", "-", "*", "neg"))
_LOGIC = frozenset(("&&", "||", "!"))
_SETS = frozenset(("contains", "containsAll", "containsAny"))
DECIMAL_LIMIT = 922_337_203_685_477
"""Cedar's decimals have four places and 64 bits in all."""


class Terms(NamedTuple):
    """What a condition looks at."""

    reads: frozenset[Path]
    uses: dict[Path, frozenset[str]]
    """As what each is used: ``number`` (compared with whole numbers), ``whole`` (in arithmetic), ``decimal``, ``string``, ``bool``,
    ``set:…`` (of what). What has no entry may be anything."""
    literals: dict[Path, tuple[Any, ...]]
    """What each is compared with; patterns as they are written, with ``*``."""
    nodes: int
    depth: int
    likes: int


def variable(name: str, *attributes: str) -> Expression:
    """``name.attribute.attribute``."""
    found: Expression = {"Var": name}
    for attribute in attributes:
        found = {".": {"left": found, "attr": attribute}}
    return found


def binary(operator: str, left: Expression, right: Expression) -> Expression:
    """``left operator right``."""
    return {operator: {"left": left, "right": right}}


def negation(of: Expression) -> Expression:
    """``!of``."""
    return {"!": {"arg": of}}


def joined(operator: str, terms: list[Expression]) -> Expression:
    """``term operator term …`` as a tree that is as flat as can be. ``terms`` has one at least."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return binary(operator, joined(operator, terms[:half]), joined(operator, terms[half:]))


def parts(expression: Expression) -> tuple[str, list[Expression]]:
    """The operator, and the expressions it works on."""
    ((operator, body),) = expression.items()
    if operator in ("Value", "Var", "Slot", "Unknown"):
        return operator, []
    if isinstance(body, list):
        return operator, cast("list[Expression]", body)
    fields = cast("dict[str, Any]", body)
    if operator == "Record":
        return operator, list(fields.values())
    names = ("arg", "left", "right", "if", "then", "else", "in")
    return operator, [fields[name] for name in names if name in fields]


def path_of(expression: Expression) -> Path | None:
    """Which attribute of the context this is, if it is one and nothing else."""
    attributes: list[str] = []
    while "." in expression:
        attributes.append(expression["."]["attr"])
        expression = expression["."]["left"]
    if expression.get("Var") == "context":
        return tuple(reversed(attributes)) or EVERYTHING
    return None


def value_of(expression: Expression) -> Any:
    """What a literal says: a number, a text, a truth, a list of these; decimals as `float`. None for what is none."""
    ((operator, body),) = expression.items()
    if operator == "Value" and isinstance(body, int | str):
        return body
    if operator == "neg" and isinstance(inner := value_of(body["arg"]), int | float):
        return -inner
    if operator == "decimal" and isinstance(text := value_of(body[0]), str):
        try:
            return float(text)
        except ValueError:
            return None
    if operator == "Set":
        found = [value_of(item) for item in body]
        return None if None in found else found
    return None


def kind_of(value: Any) -> str:
    """As what something is used that is compared with ``value``."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "number"
    if isinstance(value, float):
        return "decimal"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        kinds = {kind_of(item) for item in cast("list[Any]", value)}
        return f"set:{kinds.pop()}" if len(kinds) == 1 else "set:"
    return ""


def walk(expression: Expression) -> Iterator[Expression]:
    """Every expression in it, itself first."""
    yield expression
    for inner in parts(expression)[1]:
        yield from walk(inner)


def analyse(expression: Expression) -> Terms:
    """What it looks at. Linear in its size."""
    reads: set[Path] = set()
    uses: dict[Path, set[str]] = {}
    literals: dict[Path, list[Any]] = {}

    def use(term: Expression, kind: str, literal: Any = None) -> None:
        path = path_of(term)
        if path is None or path == EVERYTHING:
            return
        if kind:
            uses.setdefault(path, set()).add(kind)
        if literal is not None:
            literals.setdefault(path, []).append(literal)

    def visit(term: Expression) -> int:
        path = path_of(term)
        if path is not None:
            reads.add(path)
            return len(path) + 1
        operator, inner = parts(term)
        if operator == "Var":
            reads.add((term["Var"],))
        if operator == "has" and (base := path_of(term["has"]["left"])) is not None:
            reads.add((term["has"]["attr"],) if base == EVERYTHING else (*base, term["has"]["attr"]))
            return len(base) + 1
        _use(operator, term[operator], inner, use)
        return 1 + max(map(visit, inner), default=0)

    depth = visit(expression)
    nodes = list(walk(expression))
    return Terms(
        reads=frozenset(reads),
        uses={path: frozenset(kinds) for path, kinds in uses.items()},
        literals={path: tuple(found) for path, found in literals.items()},
        nodes=len(nodes),
        depth=depth,
        likes=sum("like" in node for node in nodes),
    )


def _use(operator: str, body: Any, inner: list[Expression], use: Callable[..., None]) -> None:
    """Note as what ``operator`` uses the attributes it works on."""
    if operator in _ORDERS:
        for one, other in (inner, inner[::-1]):
            literal = value_of(other)
            use(one, "number" if literal is not None or path_of(other) is not None else "whole", literal)
    elif operator in ("==", "!="):
        for one, other in (inner, inner[::-1]):
            literal = value_of(other)
            use(one, kind_of(literal), literal)
    elif operator == "contains":
        literal = value_of(inner[0])
        for item in cast("list[Any]", literal) if isinstance(literal, list) else []:
            use(inner[1], kind_of(item), item)
        item = value_of(inner[1])
        use(inner[0], "set:" if item is None else f"set:{kind_of(item)}", None if item is None else [item])
    elif operator in _SETS:
        for one, other in (inner, inner[::-1]):
            literal = value_of(other)
            use(one, kind_of(literal) or "set:", literal)
    elif operator == "isEmpty":
        use(inner[0], "set:")
    elif operator == "like":
        use(inner[0], "string", "".join("*" if piece == "Wildcard" else piece["Literal"] for piece in body["pattern"]))
    elif operator in _DECIMAL_METHODS:
        for one, other in (inner, inner[::-1]):
            use(one, "decimal", value_of(other))
    elif operator in _ARITHMETIC:
        for one in inner:
            use(one, "whole")
    elif operator in _LOGIC:
        for one in inner:
            use(one, "bool")
    elif operator == "if-then-else":
        use(inner[0], "bool")


def decimal(text: str) -> Expression:
    """``decimal("text")``."""
    return {"decimal": [{"Value": text}]}


def in_decimals(expression: Expression, these: frozenset[Path]) -> Expression:
    """The same condition for calls in which the attributes ``these`` are decimals: whole numbers they are compared with become decimals."""

    def number(term: Expression) -> Expression | None:
        if path_of(term) in these:
            return term
        value = value_of(term)
        if isinstance(value, bool) or not isinstance(value, int):
            return term if "decimal" in term else None
        return decimal(f"{value}.0") if abs(value) <= DECIMAL_LIMIT else None

    def change(term: Expression) -> Expression:
        operator, inner = parts(term)
        if operator in _ORDERS or operator in ("==", "!="):
            left, right = (number(side) for side in inner)
            if left is not None and right is not None and {path_of(side) for side in inner} & these:
                return {_ORDERS[operator]: [left, right]} if operator in _ORDERS else binary(operator, left, right)
        if operator == "contains" and path_of(inner[1]) in these and "Set" in inner[0]:
            return binary("contains", {"Set": [number(item) or item for item in inner[0]["Set"]]}, inner[1])
        return _mapped(term, change)

    return change(expression)


def with_folded_texts(expression: Expression) -> Expression:
    """The same condition with every text in it folded; see `lookalikes`."""

    def change(term: Expression) -> Expression:
        if isinstance(text := term.get("Value"), str):
            return {"Value": fold(text)}
        if "like" in term:
            body = term["like"]
            pattern = [piece if piece == "Wildcard" else {"Literal": fold(piece["Literal"])} for piece in body["pattern"]]
            return {"like": {"left": change(body["left"]), "pattern": pattern}}
        return _mapped(term, change)

    return change(expression)


def _mapped(term: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """``term`` with each expression that it works on changed."""
    ((operator, body),) = term.items()
    if operator in ("Value", "Var", "Slot", "Unknown"):
        return term
    if isinstance(body, list):
        return {operator: [change(item) for item in cast("list[Expression]", body)]}
    fields = cast("dict[str, Any]", body)
    if operator == "Record":
        return {operator: {name: change(value) for name, value in fields.items()}}
    changed = {
        name: change(value) if name in ("arg", "left", "right", "if", "then", "else", "in") else value for name, value in fields.items()
    }
    return {operator: changed}
