"""What there is for conditions to look at: the attributes of a call, and of each declared tool its arguments and their types."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from bailiwick.charter.composition import Entry
from bailiwick.charter.facts import ATTRIBUTES, ESTIMATES
from bailiwick.charter.terms import NUMBERS, Path
from bailiwick.effects import Call, Cost, EffectClass, Kind, Tool
from bailiwick.ids import AgentId, RunId

_PLAIN = {
    "agent_class": frozenset(("string",)),
    "effect": frozenset(("string",)),
    "kind": frozenset(("string",)),
    "principal": frozenset(("string",)),
    "tool": frozenset(("string",)),
    "approved": frozenset(("bool",)),
    "tainted": frozenset(("set:string", "set:")),
}
_VALUES: dict[str, frozenset[str]] = {
    "effect": frozenset(effect.value for effect in EffectClass),
    "kind": frozenset(kind.value for kind in Kind),
}
_JSON = {
    "string": frozenset(("string",)),
    "integer": NUMBERS,
    "number": NUMBERS,
    "boolean": frozenset(("bool",)),
    "array": frozenset(("set:", "set:string", "set:number", "set:bool", "set:decimal")),
    "object": frozenset[str](),
}


class Known(NamedTuple):
    """A tool as conditions see it."""

    name: str
    effect: EffectClass
    arguments: Mapping[str, frozenset[str]]
    """As what each may be used; empty: as anything."""
    required: frozenset[str]
    estimate: Cost


def known_tool(tool: Tool) -> Known:
    """What conditions may say of ``tool``."""
    schema = tool.signature.schema()
    arguments = schema["arguments"]
    definitions = cast("dict[str, Any]", schema.get("$defs", {}))
    found = {name: _uses(inner, definitions) for name, inner in cast("dict[str, Any]", arguments.get("properties", {})).items()}
    return Known(tool.name, tool.effect, found, frozenset(arguments.get("required", ())), tool.estimate)


def _uses(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> frozenset[str]:
    """As what a value of this JSON schema may be used; empty where that is not known."""
    if "$ref" in schema:
        schema = definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
    if "anyOf" in schema:
        options = [_uses(option, definitions) for option in schema["anyOf"] if option.get("type") != "null"]
        return frozenset[str]().union(*options) if all(options) else frozenset()
    if isinstance(schema.get("type"), str):
        return _JSON.get(schema["type"], frozenset())
    return frozenset(kind for value in schema.get("enum", ()) if isinstance(value, str) for kind in ("string",))


def misspelt(entry: Entry, tools: Iterable[Known] | None) -> Iterator[str]:
    """What the condition of ``entry`` looks at that is not there, or takes for what it is not. ``tools``: those that it may cover."""
    if entry.terms is None:
        return
    for path in sorted(entry.terms.reads):
        yield from _attribute(path)
    for path, kinds in sorted(entry.terms.uses.items()):
        yield from _use(path, kinds)
    for name, values in _VALUES.items():
        for literal in entry.terms.literals.get((name,), ()):
            if isinstance(literal, str) and "*" not in literal and literal not in values:
                yield f'no {name} is "{literal}"; {nearest(literal, values)}'
    if tools is not None:
        yield from _arguments(entry, list(tools))


def _attribute(path: Path) -> Iterator[str]:
    top, *rest = path
    if top == "*" or (not rest and top in ("principal", "action", "resource")):
        return
    if top not in ATTRIBUTES:
        yield f"no attribute `context.{top}`; {nearest(top, ATTRIBUTES)}"
    elif top == "estimate" and rest and rest[0] not in ESTIMATES:
        yield f"no attribute `context.estimate.{rest[0]}`; {nearest(rest[0], ESTIMATES)}"
    elif top != "arguments" and len(rest) > (1 if top in ("estimate", "labels") else 0):
        yield f"`context.{'.'.join([top, *rest[:-1]])}` has no attribute `{rest[-1]}`"


def _use(path: Path, kinds: frozenset[str]) -> Iterator[str]:
    able = _PLAIN.get(path[0]) if len(path) == 1 else {"labels": frozenset(("set:string", "set:")), "estimate": NUMBERS}.get(path[0])
    if able is not None and not kinds <= able:
        yield f"`context.{'.'.join(path)}` cannot be used as {', '.join(sorted(kinds - able))}"


def _arguments(entry: Entry, tools: list[Known]) -> Iterator[str]:
    """Arguments that none of the tools has, and those that no tool has as what they are used. A rule for many tools may speak of what
    one of them has, if it asks first whether it is there: ``context.arguments has usd``."""
    assert entry.terms is not None
    for top in ("arguments", "labels"):
        for path in sorted(path for path in entry.terms.reads if path[0] == top and len(path) > 1):
            having = [tool for tool in tools if path[1] in tool.arguments]
            if tools and not having:
                names = sorted({name for tool in tools for name in tool.arguments})
                yield f"no tool that it covers has an argument `{path[1]}`; {nearest(path[1], names)}"
            elif top == "arguments" and len(path) == 2 and path in entry.terms.uses:
                kinds = entry.terms.uses[path]
                if not any(not tool.arguments[path[1]] or kinds <= tool.arguments[path[1]] for tool in having):
                    is_ = sorted(set[str]().union(*(tool.arguments[path[1]] for tool in having)))
                    yield f"`context.arguments.{path[1]}` is used as {', '.join(sorted(kinds))}, and is {', '.join(is_)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest of the names there are; all of them, where none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names) or 'none'}"


def call_of(
    tool: str, effect: EffectClass, arguments: Mapping[str, Any], labels: Mapping[str, Iterable[str]] | None = None, **other: Any
) -> Call:
    """A call that nobody makes, to try rules on."""
    made = Call(
        Kind.TOOL,
        tool,
        effect,
        arguments,
        AgentId("agt_" + "0" * 32),
        "Agent",
        RunId("run_" + "0" * 32),
        "somebody",
        0,
        labels={name: frozenset(found) for name, found in (labels or {}).items()},
    )
    return made._replace(**other)
