"""Fast rules: thousands of them, compiled, found by what a call contains. No expressions that backtrack; the time is linear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from bailiwick.charter.firewall.canonical import Canonical, Field
from bailiwick.charter.firewall.records import FastRule, Term
from bailiwick.errors import BadInput

MAX_TERMS = 16
MAX_VALUES = 1_024
MAX_UNKEYED = 256
"""Rules for one tool that no token, host, path or value leads to: all of them are looked at for each call of it."""

Check = Callable[[Canonical], bool]


class Compiled(NamedTuple):
    """A rule ready to be matched."""

    rule: FastRule
    checks: tuple[Check, ...]
    closed: frozenset[str] | None
    """The arguments it speaks of, if it covers no call with others."""

    def covers(self, call: Canonical) -> bool:
        """Whether it speaks of ``call``."""
        if self.closed is not None and not (call.fields.keys() <= self.closed):
            return False
        return all(check(call) for check in self.checks)


def compile_rule(rule: FastRule) -> Compiled:
    """``rule`` ready to be matched. Raises `BadInput` if it is not bounded: too many terms or values, or no tool."""
    if not rule.tool or len(rule.terms) > MAX_TERMS or any(len(term.values) > MAX_VALUES for term in rule.terms):
        raise BadInput(
            f"rule {rule.id} is not bounded: name a tool, at most {MAX_TERMS} terms and {MAX_VALUES} values of each; it was not loaded",
            rule=rule.id,
        )
    closed = frozenset(term.argument for term in rule.terms) if rule.closed else None
    return Compiled(rule, tuple(_check(term) for term in rule.terms), closed)


def _check(term: Term) -> Check:
    if term.kind == "absent":
        unwanted = frozenset(term.values)
        return lambda call: all(unwanted.isdisjoint(field.tokens) for field in _fields(call, term.argument))
    if term.kind == "labels":
        return _labels_check(term)
    holds = _FIELD_CHECKS[term.kind](term)
    if term.argument == "*":
        return lambda call: any(map(holds, call.fields.values()))
    argument = term.argument

    def one(call: Canonical) -> bool:
        field = call.fields.get(argument)
        return field is not None and holds(field)

    return one


def _fields(call: Canonical, argument: str) -> Iterable[Field]:
    if argument == "*":
        return call.fields.values()
    field = call.fields.get(argument)
    return () if field is None else (field,)


def _labels_check(term: Term) -> Check:
    refused = frozenset(term.values)

    def clean(call: Canonical) -> bool:
        for argument, labels in call.labels.items():
            if term.argument in ("*", argument) and labels and ("*" in refused or not refused.isdisjoint(labels)):
                return False
        return True

    return clean


def _equals(term: Term) -> Callable[[Field], bool]:
    wanted = frozenset(term.values)
    return lambda field: bool(field.values) and wanted.issuperset(field.values)


def _hosts(term: Term) -> Callable[[Field], bool]:
    exact = frozenset(term.values)
    below = tuple(value for value in term.values if value.startswith("."))

    def among(host: str) -> bool:
        return host in exact or ("." + host).endswith(below) if below else host in exact

    return lambda field: bool(field.hosts) and all(map(among, field.hosts))


def _under(term: Term) -> Callable[[Field], bool]:
    roots = tuple(value.rstrip("/") for value in term.values)

    def below(path: str) -> bool:
        return any(path == root or path.startswith(root + "/") for root in roots)

    return lambda field: bool(field.paths) and all(map(below, field.paths))


def _between(term: Term) -> Callable[[Field], bool]:
    low, high = term.low, term.high
    return lambda field: bool(field.numbers) and all(low <= number <= high for number in field.numbers)


def _tokens(term: Term) -> Callable[[Field], bool]:
    wanted = term.values

    def in_order(field: Field) -> bool:
        at = 0
        tokens = field.tokens
        try:
            for token in wanted:
                at = tokens.index(token, at) + 1
        except ValueError:
            return False
        return True

    return in_order


def _words(term: Term) -> Callable[[Field], bool]:
    known = frozenset(term.values)
    spare = int(term.high)
    if not spare:
        return lambda field: known.issuperset(field.tokens)
    return lambda field: len(set(field.tokens) - known) <= spare


def _shape(term: Term) -> Callable[[Field], bool]:
    marks, chars = frozenset(term.values), term.high
    return lambda field: field.chars <= chars and field.marks <= marks


_FIELD_CHECKS: Mapping[str, Callable[[Term], Callable[[Field], bool]]] = {
    "equals": _equals,
    "hosts": _hosts,
    "under": _under,
    "between": _between,
    "tokens": _tokens,
    "words": _words,
    "shape": _shape,
}


class Rules:
    """Rules by id; `match` finds those that speak of a call. ``version`` changes whenever an answer may."""

    def __init__(self, rules: Iterable[FastRule] = ()) -> None:
        self._by_id: dict[str, Compiled] = {}
        self._index: dict[str, dict[str, list[Compiled]]] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._hits: Counter[str] = Counter()
        self.version = 0
        for rule in rules:
            self.add(rule)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[FastRule]:
        return (self._counted(compiled.rule) for compiled in self._by_id.values())

    def get(self, rule: str) -> FastRule | None:
        """The rule of that id, with its hits."""
        found = self._by_id.get(rule)
        return None if found is None else self._counted(found.rule)

    def compiled(self, tool: str) -> list[Compiled]:
        """Every rule that may speak of calls of ``tool``."""
        return [each for each in self._by_id.values() if each.rule.tool in (tool, "*")]

    def add(self, rule: FastRule) -> None:
        """Load ``rule``, in place of one of the same id. Raises `BadInput` if it is not bounded; then nothing changes."""
        compiled = compile_rule(rule)
        index = self._index.setdefault(rule.tool, {})
        self.remove(rule.id)
        keys = _keys_of(rule, index)
        if keys == ("",) and len(index.get("", ())) >= MAX_UNKEYED:
            raise BadInput(
                f"rule {rule.id} names no token, host, path or value, and `{rule.tool}` has {MAX_UNKEYED} such rules; it was not loaded",
                rule=rule.id,
            )
        for key in keys:
            index.setdefault(key, []).append(compiled)
        self._by_id[rule.id] = compiled
        self._keys[rule.id] = keys
        if rule.hits:
            self._hits[rule.id] = rule.hits
        self.version += 1

    def remove(self, rule: str) -> bool:
        """Take it out; whether it was there."""
        compiled = self._by_id.pop(rule, None)
        if compiled is None:
            return False
        index = self._index[compiled.rule.tool]
        for key in self._keys.pop(rule):
            left = [each for each in index[key] if each.rule.id != rule]
            if left:
                index[key] = left
            else:
                del index[key]
        self._hits.pop(rule, None)
        self.version += 1
        return True

    def hit(self, rule: str) -> None:
        """Count that ``rule`` decided a call."""
        self._hits[rule] += 1

    def match(self, call: Canonical, now_ns: int) -> list[FastRule]:
        """The rules that cover ``call`` and have not expired, those in shadow included. Does not count hits."""
        found: list[FastRule] = []
        for tool in (call.tool, "*"):
            index = self._index.get(tool)
            if not index:
                continue
            seen: set[str] = set()
            keys = index.keys() & call.keys
            if "" in index:
                keys.add("")
            for key in keys:
                for compiled in index[key]:
                    rule = compiled.rule
                    if rule.id in seen or (rule.expires_ns and rule.expires_ns <= now_ns):
                        continue
                    seen.add(rule.id)
                    if compiled.covers(call):
                        found.append(rule)
        return found

    def expire(self, now_ns: int) -> list[str]:
        """Take out what has expired and say which."""
        gone = [each.rule.id for each in self._by_id.values() if 0 < each.rule.expires_ns <= now_ns]
        for rule in gone:
            self.remove(rule)
        return gone

    def _counted(self, rule: FastRule) -> FastRule:
        hits = self._hits.get(rule.id, 0)
        return rule if rule.hits == hits else replace(rule, hits=hits)


def _keys_of(rule: FastRule, index: Mapping[str, list[Compiled]]) -> tuple[str, ...]:
    """Something that every call it covers contains: what fewest rules are found by so far."""
    choices: list[tuple[str, ...]] = []
    for term in rule.terms:
        match term.kind:
            case "equals" if term.argument != "*" and term.values:
                choices.append(tuple(f"e {term.argument} {value}" for value in term.values))
            case "hosts" if term.values:
                choices.append(tuple(f"h {value}" for value in term.values))
            case "under" if term.values:
                choices.append(tuple(f"p {value.rstrip('/') or '/'}" for value in term.values))
            case "tokens" if term.values:
                choices += [(token,) for token in term.values]
            case _:
                pass
    return min(choices, key=lambda keys: sum(len(index.get(key, ())) for key in keys), default=("",))
