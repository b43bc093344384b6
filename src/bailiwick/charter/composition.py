"""Charters laid over one another: what each forbids is forbidden, what all allow is allowed, what any wants asked is asked.

The rules of all layers become one list of entries with stable ids; budgets narrow, limit by limit, to the smaller.
"""

from __future__ import annotations

import enum
import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from bailiwick.charter import cedar
from bailiwick.charter.lookalikes import fold, loosely, may_begin, prefix, strictly
from bailiwick.charter.records import Approval, Charter, Preference, Rule
from bailiwick.charter.terms import Expression, Terms, analyse
from bailiwick.effects import EffectClass
from bailiwick.errors import BadInput
from bailiwick.grants import Budget

S = TypeVar("S", bound=msgspec.Struct)

LAYERS = ((), ("",), ("site", "agent"), ("fleet", "site", "agent"))
"""What the layers of so many charters are called where nobody named them."""


class Role(enum.StrEnum):
    """What a rule does."""

    ALLOW = "allow"
    DENY = "deny"
    APPROVAL = "approval"


class Entry(NamedTuple):
    """One rule of a compiled charter."""

    number: int
    """Its place among all rules."""
    id: str
    """Stable: ``deny 2`` is the second prohibition; with layers ``site.deny 2``; the name, where it has one."""
    layer: int
    role: Role
    pattern: str
    effect: EffectClass | None
    condition: Expression | None
    terms: Terms | None
    reason: str
    approval: Approval | None
    """Whom to ask; for what Cedar wants approved, the principal."""
    rule: Rule | None
    """As it was written; None for what was written in Cedar."""
    cedar: bool = False
    """Written in Cedar: then it may name principals and actions."""

    @property
    def permits(self) -> bool:
        """Whether it is a permission."""
        return self.role is Role.ALLOW

    def covers(self, tool: str, effect: EffectClass, *, outside: bool) -> bool:
        """Whether it speaks of such an effect; its condition does not count. Prohibitions cover look-alikes, permissions do not.

        What is not ``outside`` (messages, launches, undoing) a rule covers that is for every class; one with a condition, or that asks,
        only if it names it, or looks at its kind."""
        if not outside:
            by_name = self.pattern != "*" or (self.terms is not None and ("kind",) in self.terms.reads)
            if self.permits or self.effect is not None or not (by_name or (self.condition is None and self.role is Role.DENY)):
                return False
        elif self.effect is not None and self.effect is not effect:
            return False
        return strictly(self.pattern, tool) if self.permits else loosely(self.pattern, tool)


def entries_of(layers: Sequence[tuple[str, Charter]]) -> tuple[Entry, ...]:
    """The rules of ``layers``, each a name and a charter. Raises `BadInput` with every condition that cannot be read."""
    problems: list[str] = []
    found: list[Entry] = []
    for depth, (layer, charter) in enumerate(layers):
        for entry in _entries(charter, depth, f"{layer}." if layer else "", problems):
            found.append(entry._replace(number=len(found)))
    if problems:
        raise BadInput("; ".join(problems), problems=problems)
    return tuple(found)


def _entries(charter: Charter, layer: int, before: str, problems: list[str]) -> Iterator[Entry]:
    names = Counter(rule.name for rule in (*charter.allow, *charter.deny, *charter.approvals))
    written = ((Role.DENY, charter.deny), (Role.APPROVAL, charter.approvals), (Role.ALLOW, charter.allow))
    for role, rules in written:
        for number, rule in enumerate(rules, 1):
            numbered = f"{role} {number}"
            mine = rule.name if rule.name and names[rule.name] == 1 and not _numbered(rule.name) else numbered
            condition = _parsed(rule, before + numbered, problems)
            terms = None if condition is None else analyse(condition)
            approval = rule if isinstance(rule, Approval) else None
            yield Entry(-1, before + mine, layer, role, rule.tool, rule.effect, condition, terms, rule.reason, approval, rule)
    for number, pattern in enumerate(charter.discretion, 1):
        rule = Rule(tool=pattern)
        yield Entry(-1, f"{before}discretion {number}", layer, Role.ALLOW, pattern, None, None, None, "", None, rule)
    if charter.cedar:
        yield from _cedar_entries(charter.cedar, layer, before, problems)


def _numbered(name: str) -> bool:
    """Whether a name could be taken for a number that a rule has."""
    word, _, number = name.partition(" ")
    return word in (*Role, "cedar", "discretion") and number.isdigit()


def _parsed(rule: Rule, where: str, problems: list[str]) -> Expression | None:
    if not rule.when:
        return None
    try:
        return bounded(cedar.parse_condition(rule.when, where), where)
    except BadInput as error:
        problems.append(error.message)
        return None


def _cedar_entries(text: str, layer: int, before: str, problems: list[str]) -> Iterator[Entry]:
    try:
        sources = cedar.parse(text, f"{before}cedar")
    except BadInput as error:
        problems.append(error.message)
        return
    names = Counter(source.id for source in sources)
    for number, source in enumerate(sources, 1):
        mine = source.id if source.id and names[source.id] == 1 and not _numbered(source.id) else f"cedar {number}"
        try:
            condition = None if source.condition is None else bounded(source.condition, f"{before}cedar {number}")
        except BadInput as error:
            problems.append(error.message)
            continue
        pattern = "*" if source.resource is None else glob.escape(source.resource)
        role = Role.ALLOW if source.permits else Role.DENY
        terms = None if condition is None else analyse(condition)
        approval = Approval(tool=pattern, name=mine, reason=source.reason)
        yield Entry(-1, before + mine, layer, role, pattern, None, condition, terms, source.reason, approval, None, cedar=True)


def preference_entry(preference: Preference) -> Entry:
    """A preference as a rule for every tool, to be tried on calls. Raises `BadInput`."""
    condition = bounded(cedar.parse_condition(preference.when, preference.name), preference.name)
    return Entry(0, preference.name, 0, Role.DENY, "*", None, condition, analyse(condition), "", None, None)


def bounded(condition: Expression, where: str) -> Expression:
    """``condition``, if it is not larger than a rule may be. Raises `BadInput`."""
    terms = analyse(condition)
    if terms.depth > cedar.DEPTH:
        raise BadInput(f"{where}: expressions {terms.depth} deep within one another; at most {cedar.DEPTH}. Split it into rules")
    return condition


class Index:
    """Entries by what the tools they cover begin with, so that a call looks only at those that may cover it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple(entries)
        self._by_prefix: dict[str, list[Entry]] = {}
        for entry in self._entries:
            self._by_prefix.setdefault(prefix(entry.pattern), []).append(entry)
        self._longest = max(map(len, self._by_prefix), default=0)
        self._spelled = [entry for entry in self._entries if not entry.pattern.isascii()]

    def covering(self, tool: str, effect: EffectClass, *, outside: bool) -> list[Entry]:
        """The entries that cover such an effect, in the order in which they stand."""
        if tool.isascii():
            lower = tool.lower()
            near = (self._by_prefix.get(lower[:length], ()) for length in range(min(len(lower), self._longest) + 1))
            candidates: Iterable[Entry] = (entry for entries in near for entry in entries)
        else:
            reading = fold(tool).lower()
            near = (entries for start, entries in self._by_prefix.items() if may_begin(start, reading))
            candidates = {entry.number: entry for entries in (self._spelled, *near) for entry in entries}.values()
        return sorted(entry for entry in candidates if entry.covers(tool, effect, outside=outside))


def narrowest(budgets: Sequence[Budget]) -> Budget:
    """The budget that keeps every limit of each."""
    found = Budget()
    for budget in budgets:
        found = _narrower(found, budget)
    return found


def _narrower(one: S, other: S) -> S:
    return msgspec.structs.replace(one, **{name: _smaller(getattr(one, name), getattr(other, name)) for name in one.__struct_fields__})


def _smaller(one: Any, other: Any) -> Any:
    """The smaller of two limits, where None limits nothing."""
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, dict):
        mine, theirs = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return {name: _smaller(mine.get(name), theirs.get(name)) for name in {**mine, **theirs}}
    if isinstance(one, msgspec.Struct):
        return _narrower(one, other)
    return min(one, other)
