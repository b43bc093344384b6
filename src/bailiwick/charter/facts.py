"""What conditions are told of a call: only what they look at, and only what Cedar can hold exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, cast

import msgspec

from bailiwick import codec
from bailiwick.charter.composition import Entry
from bailiwick.charter.lookalikes import folded
from bailiwick.charter.terms import DECIMAL_LIMIT, EVERYTHING, NUMBERS, Path
from bailiwick.effects import Call, Cost
from bailiwick.errors import BadInput, Unencodable

ARGUMENTS_BYTES = 65_536
"""Arguments that rules look at may have so many bytes together, encoded."""
NESTING = 16
_WHOLE_LIMIT = 2**63
_NO_LABELS: frozenset[str] = frozenset()
_RESERVED = ("__entity", "__extn", "__expr")
"""Names by which Cedar's JSON says that a map is something else. No call may say that."""

ATTRIBUTES = ("arguments", "effect", "agent_class", "principal", "labels", "tainted", "kind", "tool", "estimate", "approved")
"""What there is in a condition's ``context``."""
ESTIMATES = Cost.__struct_fields__


class Lens:
    """What the conditions of these entries look at, taken from a call."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.reads = sorted({path for entry in entries if entry.terms is not None for path in entry.terms.reads})
        whole = EVERYTHING in self.reads
        tops = {path[0] for path in self.reads} | (set(ATTRIBUTES) if whole else set[str]())
        self._arguments = _names(self.reads, "arguments", whole)
        self._labels = _names(self.reads, "labels", whole)
        self._estimate = "estimate" in tops
        self._plain = tuple(
            name for name in ("effect", "agent_class", "principal", "kind", "tool") if name in tops and name not in ("principal",)
        )
        self._principal = ("principal",) in self.reads
        self._action = ("action",) in self.reads
        self._tainted = "tainted" in tops
        self._whole_labels = self._labels is None

    def look(self, call: Call) -> dict[str, Any]:
        """What the conditions are told, as plain values."""
        found: dict[str, Any] = {name: getattr(call, name) for name in self._plain}
        names = self._arguments
        given = call.arguments
        if names is None:
            found["arguments"] = dict(given)
        elif names:
            found["arguments"] = {name: given[name] for name in names if name in given}
        labels = self._labels
        if labels is None:
            found["labels"] = {name: call.labels.get(name, _NO_LABELS) for name in (*given, *call.labels)}
        elif labels:
            found["labels"] = {name: call.labels.get(name, _NO_LABELS) for name in labels}
        if self._tainted:
            found["tainted"] = frozenset[str]().union(*call.labels.values())
        if self._principal:
            found["principal"] = call.principal
        if self._estimate:
            found["estimate"] = {name: getattr(call.estimate, name) for name in ESTIMATES}
        return found

    def key(self, call: Call, facts: dict[str, Any]) -> bytes:
        """The same bytes for calls of which the conditions are told the same. Raises `BadInput` if they are too many, or cannot be told."""
        asked = (call.planning if self._action else None, call.agent if self._principal else None, facts)
        try:
            data = codec.encode(asked)
        except Unencodable:
            raise BadInput("it holds a value that no rule can look at, such as a whole number beyond 64 bits") from None
        if len(data) > ARGUMENTS_BYTES:
            raise BadInput(f"rules look at {len(data)} bytes of it; at most {ARGUMENTS_BYTES}")
        return data


def _names(reads: Iterable[Path], top: str, whole: bool) -> tuple[str, ...] | None:
    """Which attributes of ``context.top`` are looked at; None: all of them."""
    paths = [path for path in reads if path[0] == top]
    if whole or (top,) in paths:
        return None
    return tuple(sorted({path[1] for path in paths}))


def told(facts: Mapping[str, Any], decimals: frozenset[Path]) -> bytes:
    """``facts`` as the JSON of a Cedar context, the numbers at ``decimals`` as decimals. Raises `BadInput` for what does not fit."""
    context = {name: _value(value, (name,), decimals) for name, value in facts.items()}
    try:
        return msgspec.json.encode(context)
    except (ValueError, TypeError) as error:  # Half of a surrogate pair, which no text that crosses the wire holds.
        raise BadInput(f"it holds text that is none: {error}") from None


def _value(value: Any, path: Path, decimals: frozenset[Path]) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _decimal(value, path) if path in decimals else _whole(value, path)
    if isinstance(value, float):
        return _decimal(value, path)
    if isinstance(value, dict | Mapping):  # Nearly always a plain dictionary, which is told at once.
        return _record(cast("Mapping[Any, Any]", value), path, decimals)
    if isinstance(value, list | tuple | set | frozenset):
        if len(path) > NESTING:
            raise BadInput(f"`{_shown(path)}` is nested more than {NESTING} deep")
        return [_value(item, (*path, ""), decimals) for item in cast("Iterable[Any]", value)]
    raise BadInput(f"`{_shown(path)}` is {_said(value)}, which no rule can look at")


def _record(value: Mapping[Any, Any], path: Path, decimals: frozenset[Path]) -> dict[str, Any]:
    if len(path) > NESTING:
        raise BadInput(f"`{_shown(path)}` is nested more than {NESTING} deep")
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if not isinstance(name, str) or name in _RESERVED:
            raise BadInput(f"`{_shown(path)}` has a field {name!r:.40}, which no rule can look at")
        if inner is not None:  # Cedar has no null: what is null is not there.
            found[name] = _value(inner, (*path, name), decimals)
    return found


def _whole(value: int, path: Path) -> int:
    if not -_WHOLE_LIMIT <= value < _WHOLE_LIMIT:
        raise BadInput(f"`{_shown(path)}` is a whole number beyond 64 bits, which no rule can look at")
    return value


def _decimal(value: float, path: Path) -> dict[str, Any]:
    """A Cedar decimal: four places, 64 bits. What does not fit exactly is refused; estimates are rounded up."""
    if not math.isfinite(value) or abs(value) > DECIMAL_LIMIT:
        raise BadInput(f"`{_shown(path)}` is {value}, and rules compare numbers up to {DECIMAL_LIMIT}")
    exact = Decimal(repr(value) if isinstance(value, float) else value)
    places = exact.quantize(Decimal("0.0001"), ROUND_CEILING)
    if places != exact and path[0] != "estimate":
        raise BadInput(f"`{_shown(path)}` is {value}, and rules compare numbers of four decimal places; round it")
    return {"__extn": {"fn": "decimal", "arg": f"{places:f}"}}


def _said(value: Any) -> str:
    return {"NoneType": "null", "bytes": "bytes"}.get(type(value).__name__, f"of type {type(value).__name__}")


def _shown(path: Path) -> str:
    return ".".join(part or "…" for part in path)


def decimals_of(entries: Iterable[Entry]) -> tuple[frozenset[Path], frozenset[Path]]:
    """The attributes whose numbers are decimals in every call, and those whose are once one of them is a fraction."""
    uses: dict[Path, set[str]] = {}
    for entry in entries:
        for path, kinds in (entry.terms.uses if entry.terms is not None else {}).items():
            uses.setdefault(path, set()).update(kinds)
    able = {path for path, kinds in uses.items() if "whole" not in kinds and kinds & NUMBERS}
    return frozenset(path for path in able if "decimal" in uses[path]), frozenset(able)


def has_fraction(facts: Mapping[str, Any], paths: Iterable[Path]) -> bool:
    """Whether any of these attributes is a float."""
    return any(isinstance(at(facts, path), float) for path in paths)


def at(facts: Any, path: Path) -> Any:
    """The attribute at ``path``; None where there is none."""
    for name in path:
        if not isinstance(facts, dict | Mapping):
            return None
        facts = cast("Mapping[str, Any]", facts).get(name)
    return facts


Typed = list[tuple[Path, frozenset[str], tuple[int, ...]]]
"""Attributes, as what conditions take them, and the indices of the rules that do."""


def typed(entries: Iterable[Entry]) -> Typed:
    """As what the conditions of ``entries`` take what a call brings."""
    found: dict[tuple[Path, frozenset[str]], list[int]] = {}
    for entry in entries:
        for path, kinds in (entry.terms.uses if entry.terms is not None else {}).items():
            if path[0] in ("arguments", "estimate"):
                found.setdefault((path, kinds), []).append(entry.number)
    return [(path, kinds, tuple(indices)) for (path, kinds), indices in found.items()]


def mismatches(typed: Typed, facts: Mapping[str, Any], decimals: frozenset[Path]) -> dict[int, str]:
    """Which rules cannot judge these facts, and why: they compare an attribute with something of another type.

    Cedar says that 5 and "5" differ, and so would let the one pass where the other is forbidden."""
    found: dict[int, str] = {}
    for path, kinds, indices in typed:
        value = at(facts, path)
        if value is None:
            continue
        as_decimal = path in decimals
        for kind in kinds:
            if _fits(value, kind, as_decimal):
                break
        else:
            taken = " or ".join(_KINDS[kind] for kind in sorted(kinds))
            found |= dict.fromkeys(indices, f"`{_shown(path)}` is {_kind(value)}, and the rule takes it for {taken}")
    return found


_KINDS = {
    "bool": "true or false",
    "decimal": "a decimal",
    "number": "a number",
    "string": "text",
    "whole": "a whole number",
    "set:": "a list",
    "set:bool": "a list of truths",
    "set:decimal": "a list of decimals",
    "set:number": "a list of whole numbers",
    "set:string": "a list of texts",
}


def _fits(value: Any, kind: str, as_decimal: bool) -> bool:
    if kind.startswith("set:"):
        inner = kind.removeprefix("set:")
        return isinstance(value, list | tuple) and (not inner or all(_fits(item, inner, False) for item in cast("list[Any]", value)))
    if kind == "string":
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "decimal":
        return isinstance(value, float) or (as_decimal and isinstance(value, int))
    return isinstance(value, int) or (kind == "number" and as_decimal and isinstance(value, float))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    known = ((str, "text"), (int, "a whole number"), (float, "a fraction"), (list, "a list"), (tuple, "a list"), (Mapping, "a map"))
    return next((said for kind, said in known if isinstance(value, kind)), "of another type")


def read_as(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``facts`` as they may be misread: every text folded."""
    return {name: folded(value) if name != "labels" else value for name, value in facts.items()}
