"""Verified before it is loaded: every rule parses, speaks of what there is, costs little, says something, and does what its examples show.

That holds for rules from people and from programs alike; it is what makes it safe to take one from a model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from bailiwick.charter import cedar
from bailiwick.charter.charter import Compiled, compile_charter
from bailiwick.charter.composition import Entry, entries_of, preference_entry
from bailiwick.charter.deciding import Probe
from bailiwick.charter.records import Approval, Charter, Example
from bailiwick.charter.schema import Known, call_of, known_tool, misspelt, nearest
from bailiwick.charter.terms import kind_of, parts, path_of, value_of, walk
from bailiwick.charter.witnesses import candidates, shown
from bailiwick.effects import Tool
from bailiwick.errors import BadInput

RULES = 100_000
CONDITIONS = 20_000
NODES = 300
"""Expressions in one condition."""
THOROUGH = 2_000
"""With more conditions, only those that look at nothing are tried for being always true, or never."""
LIKES = 16
"""Patterns in one condition: each may go through a text once for every wildcard."""
WILDCARDS = 8
"""In one pattern."""
_SIMPLE = frozenset(("<", "<=", ">", ">=", "==", "!=", "&&", "||", "!", "Value", "Var", ".", "neg"))


class Problem(NamedTuple):
    """Why a charter is not loaded."""

    rule: str
    """Its id; empty where it is not one rule's."""
    what: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.rule}: {self.what}" if self.rule else self.what


def verify(*charters: Charter, tools: Iterable[Tool] | None = None) -> list[Problem]:
    """Everything that speaks against loading ``charters``, outermost first; empty: nothing does. ``tools`` are all that rules may
    speak of: then rules that cover none, and arguments that none of them has, are problems. Raises `BadInput` only where Cedar is
    needed and not installed."""
    found = list(_sizes(charters))
    if found:
        return found
    if any(_conditions(charter) for charter in charters):
        cedar.require()
    known = None if tools is None else [known_tool(tool) for tool in tools]
    names = [""] if len(charters) == 1 else [f"layer {number}" for number in range(1, len(charters) + 1)]
    try:
        entries = entries_of(list(zip(names, charters, strict=True)))
    except BadInput as error:
        return [Problem("", text) for text in error.facts.get("problems", [error.message])]
    thorough = sum(entry.condition is not None for entry in entries) <= THOROUGH
    for entry in entries:
        found += (Problem(entry.id, what) for what in _of_entry(entry, known, thorough=thorough))
    for charter in charters:
        found += _of_names(charter)
        found += _of_preferences(charter, known)
    return found


def compile_verified(*charters: Charter, tools: Iterable[Tool] | None = None, names: Iterable[str] | None = None) -> Compiled:
    """`compile_charter`, of what `verify` has nothing against. Raises `BadInput` with all problems (fact ``problems``)."""
    problems = verify(*charters, tools=tools)
    if problems:
        lines = [str(problem) for problem in problems]
        raise BadInput(f"the charter is not loaded: {'; '.join(lines[:8])}{'; …' if len(lines) > 8 else ''}", problems=lines)
    return compile_charter(*charters, names=None if names is None else tuple(names))


def _conditions(charter: Charter) -> int:
    rules = (*charter.allow, *charter.deny, *charter.approvals, *charter.preferences)
    return sum(bool(rule.when) for rule in rules) + bool(charter.cedar)


def _sizes(charters: Iterable[Charter]) -> Iterator[Problem]:
    for charter in charters:
        rules = len(charter.allow) + len(charter.deny) + len(charter.approvals)
        if rules > RULES:
            yield Problem("", f"{rules} rules; at most {RULES}")
        if _conditions(charter) > CONDITIONS:
            yield Problem("", f"{_conditions(charter)} conditions; at most {CONDITIONS}")
        for pattern in (rule.tool for rule in (*charter.allow, *charter.deny, *charter.approvals)):
            if len(pattern) > 256 or pattern.count("*") > WILDCARDS:
                yield Problem("", f"tool {pattern:.40}: a pattern has at most 256 characters and {WILDCARDS} wildcards")


def _of_entry(entry: Entry, tools: list[Known] | None, *, thorough: bool) -> Iterator[str]:
    covered = None if tools is None else [tool for tool in tools if entry.covers(tool.name, tool.effect, outside=True)]
    if tools is not None and not covered and not _of_messages(entry.pattern):
        classes = "" if entry.effect is None else f" that is {entry.effect}"
        yield f'no tool{classes} is called "{entry.pattern}"; {nearest(entry.pattern, [tool.name for tool in tools])}'
        covered = None
    yield from misspelt(entry, covered)
    yield from _cost(entry)
    if thorough or (entry.terms is not None and not entry.terms.reads):
        yield from _truth(entry, covered)
    if isinstance(entry.rule, Approval):
        yield from _of_approval(entry.rule)
    for number, example in enumerate(entry.rule.examples if entry.rule is not None else (), 1):
        yield from _of_example(entry, number, example)


def _of_messages(pattern: str) -> bool:
    """Whether a pattern may speak of what is no tool: ``*``, ``Class.action``, ``undo tool``; then no tool need be called so."""
    return "." in pattern or pattern == "*" or pattern.startswith("undo ") or pattern[:1].isupper()


def _cost(entry: Entry) -> Iterator[str]:
    if entry.terms is None or entry.condition is None:
        return
    if entry.terms.nodes > NODES:
        yield f"{entry.terms.nodes} expressions in one condition; at most {NODES}"
    if entry.terms.likes > LIKES:
        yield f"{entry.terms.likes} patterns in one condition; at most {LIKES}"
    for node in walk(entry.condition):
        if "like" in node and node["like"]["pattern"].count("Wildcard") > WILDCARDS:
            yield f"more than {WILDCARDS} wildcards in one pattern"
        value: Any = node.get("Value")
        entity: dict[str, Any] = cast("dict[str, Any]", value).get("__entity", {}) if isinstance(value, dict) else {}
        if entity.get("type") == "Action" and entity["id"] not in ("plan", "execute"):
            yield f'no action is called "{entity["id"]}"; there are plan and execute'


def _truth(entry: Entry, tools: list[Known] | None) -> Iterator[str]:
    """A condition that is always true, or never. What only compares attributes with literals is tried on all there is to tell apart."""
    if entry.terms is None or entry.condition is None or (entry.cedar and entry.terms.reads & {("action",), ("principal",), ("resource",)}):
        return
    literals_only = all(
        path_of(side) is None or value_of(other) is not None
        for node in walk(entry.condition)
        if parts(node)[0] in ("<", "<=", ">", ">=", "==", "!=")
        for side, other in (parts(node)[1], parts(node)[1][::-1])
    )
    simple = literals_only and all(parts(node)[0] in _SIMPLE for node in walk(entry.condition)) and len(entry.terms.uses) <= 2
    tops = {path[0] for path in entry.terms.reads}
    if not entry.terms.reads or (simple and tops <= {"arguments"} and sum(map(len, entry.terms.literals.values())) <= 8):
        probe = Probe(entry)
        said: set[bool | None] = set()
        for call in candidates([entry], tools):
            said.add(probe.holds(call))
            if len(said) > 1:
                return
        if said == {True}:
            yield "its condition is always true; leave it out"
        elif said == {False} and any(kind_of(value) for values in entry.terms.literals.values() for value in values) | (
            not entry.terms.reads
        ):
            yield "its condition is never true, so it does nothing"


def _of_approval(approval: Approval) -> Iterator[str]:
    able = len(set(approval.ask)) or 1
    if approval.need < 1 or approval.need > able + len(set(approval.escalate_to) - set(approval.ask)):
        yield f"{approval.need} must agree, and {able} may be asked"
    if not (math.isfinite(approval.within_s) and approval.within_s > 0):
        yield f"within_s is {approval.within_s}; give a number of seconds above 0"


def _of_example(entry: Entry, number: int, example: Example) -> Iterator[str]:
    call = call_of(example.tool, example.effect, example.arguments, example.labels)
    said = Probe(entry).holds(call)
    if said is None:
        yield f"example {number}, {shown(call)}: its condition cannot be evaluated"
    elif said is not example.covered:
        yield f"example {number}, {shown(call)}: the rule {'covers' if said else 'does not cover'} it, and should{' not' if said else ''}"


def _of_names(charter: Charter) -> Iterator[Problem]:
    groups = {
        "rule": (*charter.allow, *charter.deny, *charter.approvals),
        "goal": charter.goals,
        "preference": charter.preferences,
        "envelope": charter.envelopes,
    }
    for what, items in groups.items():
        for name, times in Counter(item.name for item in items if item.name).items():
            if times > 1:
                yield Problem(name, f"{times} {what}s have this name")


def _of_preferences(charter: Charter, tools: list[Known] | None) -> Iterator[Problem]:
    for preference in charter.preferences:
        if not math.isfinite(preference.weight):
            yield Problem(preference.name, f"its weight is {preference.weight}")
        if not preference.when:
            continue
        try:
            entry = preference_entry(preference)
        except BadInput as error:
            yield Problem("", error.message)
            continue
        yield from (Problem(preference.name, what) for what in misspelt(entry, tools))
