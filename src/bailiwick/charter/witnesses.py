"""Calls that could be made, to try rules on: every one is really evaluated, and not every one there could be is tried.

The values come from the rules: what an attribute is compared with, and what is next to it; texts that fit a pattern, and one that fits
none. So the search is sound, and incomplete: what it finds is so, what it does not find may be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bailiwick.charter.composition import Entry
from bailiwick.charter.schema import Known, call_of
from bailiwick.effects import Call, EffectClass

CALLS = 256
"""How many calls are tried for one question."""
_OTHER = "else"
_MISSING = object()


def candidates(entries: Iterable[Entry], tools: Iterable[Known] | None) -> Iterator[Call]:
    """Calls to try ``entries`` on: first the examples they carry, then what their conditions suggest. At most `CALLS`."""
    rules = list(entries)
    return itertools.islice(itertools.chain(_examples(rules), _made(rules, None if tools is None else list(tools))), CALLS)


def names_of(entries: Iterable[Entry]) -> list[str]:
    """Names of tools that fit the patterns of the rules, and two of them joined: each wildcard stands for nothing, or for a letter."""
    found: dict[str, None] = {}
    patterns = [entry.pattern for entry in entries]
    for pattern in (*patterns, *("".join(pair) for pair in itertools.permutations(patterns, 2))):
        plain = pattern.replace("[*]", "\0").replace("[?]", "\1").replace("[[]", "[")
        for filler in ("", "x"):
            name = plain.replace("*", filler).replace("?", filler or "x").replace("\0", "*").replace("\1", "?")
            found[name or "some_tool"] = None
    return list(found)


def _examples(entries: Iterable[Entry]) -> Iterator[Call]:
    for entry in entries:
        for example in entry.rule.examples if entry.rule is not None else ():
            yield call_of(example.tool, example.effect, example.arguments, example.labels)


def _made(entries: list[Entry], tools: list[Known] | None) -> Iterator[Call]:
    shapes: list[tuple[str, EffectClass, Known | None]]
    if tools is None:
        effects = list(dict.fromkeys(entry.effect for entry in entries if entry.effect is not None)) or [EffectClass.IRREVERSIBLE]
        shapes = [(name, effect, None) for name in names_of(entries) for effect in effects]
    else:
        shapes = [(tool.name, tool.effect, tool) for tool in tools]
    fitting = [shape for shape in shapes if all(entry.covers(shape[0], shape[1], outside=True) for entry in entries)]
    for name, effect, tool in fitting or shapes[:1]:
        yield from _calls(entries, name, effect, tool)


def _calls(entries: list[Entry], name: str, effect: EffectClass, tool: Known | None) -> Iterator[Call]:
    values = _values(entries)
    if tool is not None:
        for argument in sorted(tool.required):
            values.setdefault(("arguments", argument), _any_of(tool.arguments[argument]))
        values = {path: found for path, found in values.items() if path[0] not in ("arguments", "labels") or path[1] in tool.arguments}
    paths = sorted(values)
    for chosen in _combinations([values[path] for path in paths]):
        yield _call(name, effect, dict(zip(paths, chosen, strict=True)))


def _combinations(choices: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    """Every combination where they are few; else each value once, and then as many combinations as there is room for."""
    yield from (tuple(values[at % len(values)] for values in choices) for at in range(max(map(len, choices), default=1)))
    yield from itertools.islice(itertools.product(*choices), CALLS)


def _values(entries: Iterable[Entry]) -> dict[tuple[str, ...], list[Any]]:
    """For each attribute that is looked at, values at which conditions may change their minds."""
    found: dict[tuple[str, ...], list[Any]] = {}
    for entry in entries:
        for path in entry.terms.reads if entry.terms is not None else ():
            top = path[0]
            if (
                (top in ("arguments", "labels", "estimate") and len(path) > 1)
                or top in ("agent_class", "tainted")
                or path == ("principal",)
            ):
                known = found.setdefault(path[:2] if top != "arguments" else path, [])
                assert entry.terms is not None
                for value in _around(entry.terms.literals.get(path, ()), entry.terms.uses.get(path, frozenset())):
                    if value not in known or any(value == other and type(value) is not type(other) for other in known):
                        known.append(value)
    return found


def _around(literals: Iterable[Any], uses: frozenset[str]) -> Iterator[Any]:
    """Values at, before and after each literal; something else; and, for what may be anything, a text."""
    some = False
    for literal in literals:
        some = True
        if isinstance(literal, bool):
            yield from (literal, not literal)
        elif isinstance(literal, int | float):
            step = 1 if isinstance(literal, int) else 0.0001
            yield from (literal, round(literal - step, 4), round(literal + step, 4))
        elif isinstance(literal, str):
            yield from (literal.replace("*", "x"), literal.replace("*", ""), _OTHER)
        elif isinstance(literal, list):
            yield from (literal, [])
    if not some:
        yield from _any_of(uses)


def _any_of(uses: frozenset[str]) -> list[Any]:
    """A few values of such a kind."""
    if uses & {"number", "whole", "decimal"}:
        return [0, 1, 1_000_000]
    if "bool" in uses:
        return [True, False]
    if any(kind.startswith("set:") for kind in uses):
        return [[], ["web"]]
    return [_OTHER, "", "web"]


def _call(tool: str, effect: EffectClass, values: Mapping[tuple[str, ...], Any]) -> Call:
    arguments: dict[str, Any] = {}
    labels: dict[str, Iterable[str]] = {}
    other: dict[str, Any] = {}
    estimate: dict[str, Any] = {}
    for path, value in values.items():
        if path[0] == "arguments":
            _put(arguments, path[1:], value)
        elif path[0] == "labels":
            labels[path[1]] = value if isinstance(value, list) else [str(value)]  # pyright: ignore[reportUnknownVariableType]
        elif path[0] == "estimate":
            estimate[path[1]] = value
        elif path[0] == "tainted":
            labels["x"] = value if isinstance(value, list) else [str(value)]  # pyright: ignore[reportUnknownVariableType]
        elif isinstance(value, str):
            other[path[0]] = value
    call = call_of(tool, effect, arguments, labels, **other)
    return call._replace(estimate=type(call.estimate)(**estimate)) if estimate else call


def _put(into: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set what is at ``path``; what is in the way is replaced."""
    for name in path[:-1]:
        inner = into.get(name)
        into[name] = inner if isinstance(inner, dict) else {}
        into = into[name]
    into[path[-1]] = value


def shown(call: Call) -> str:
    """A call as somebody would write it."""
    words = [f"{name}={value!r}" for name, value in call.arguments.items()]
    labels = [f"{name} from {', '.join(sorted(found))}" for name, found in call.labels.items() if found]
    return f"{call.tool}({', '.join(words)}) ({call.effect}{'; ' if labels else ''}{'; '.join(labels)})"
