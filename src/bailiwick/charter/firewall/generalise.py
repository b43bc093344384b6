"""From calls to rules: the narrowest rule of one call, and the narrowest that covers one more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.charter.firewall.canonical import Canonical, Field
from bailiwick.charter.firewall.records import FastRule, Origin, Term

MAX_EQUALS = 6
MAX_HOSTS = 8
MAX_PREFIXES = 4
MAX_WORDS = 768
MAX_BLOCK_TOKENS = 24
_SHORT_CHARS = 48

Weigh = Callable[[str], float]
"""How telling a token is, from 0 (everybody says it) to 1."""


def sketch(call: Canonical, action: Literal["allow", "block"]) -> FastRule:
    """The narrowest rule that covers ``call`` and its like."""
    terms: list[Term] = []
    for name, field in list(call.fields.items())[:7]:
        terms += _allow_terms(name, field) if action == "allow" else _block_terms(name, field)
    labels = tuple(sorted({label for labels in call.labels.values() for label in labels}))
    return named(
        FastRule(
            id="",
            action=action,
            tool=call.tool,
            terms=tuple(terms),
            closed=action == "allow",
            reason="like calls that were judged " + ("benign" if action == "allow" else "attacks"),
            origin=Origin(by="judge", calls=(call.digest,), labels=labels),
        )
    )


def named(rule: FastRule) -> FastRule:
    """``rule`` with the id that its action, tool and terms make."""
    said = codec.encode((rule.action, rule.tool, rule.terms, rule.closed))
    return replace(rule, id="fw_" + codec.digest(said)[:16])


def _shape(name: str, field: Field) -> Term:
    return Term(kind="shape", argument=name, values=tuple(sorted(field.marks)), high=float(_round_up(field.chars * 1.5 + 8)))


def _allow_terms(name: str, field: Field) -> list[Term]:
    shape = _shape(name, field)
    match field.kind:
        case "number":
            low, high = min(field.numbers), max(field.numbers)
            return [Term(kind="between", argument=name, low=_round_down(low), high=_round_up(high))]
        case "url":
            return [Term(kind="hosts", argument=name, values=_set(field.hosts)), _words(name, field), shape]
        case "mail":
            return [Term(kind="equals", argument=name, values=_set(field.values)), shape]
        case "path":
            return [Term(kind="under", argument=name, values=_set(_parent(path) for path in field.paths)), shape]
        case "text" if field.chars <= _SHORT_CHARS and len(field.tokens) <= 2:
            return [Term(kind="equals", argument=name, values=_set(field.values)), shape]
        case _:
            return [_words(name, field), shape]


def _words(name: str, field: Field) -> Term:
    return Term(kind="words", argument=name, values=_set(field.tokens), high=float(len(set(field.tokens)) // 16))


def _block_terms(name: str, field: Field) -> list[Term]:
    if field.kind == "number":
        return [Term(kind="between", argument=name, low=_round_down(min(field.numbers)), high=_round_up(max(field.numbers)))]
    terms: list[Term] = []
    if field.hosts and all(field.hosts):
        terms.append(Term(kind="hosts", argument=name, values=_set(field.hosts)))
    if field.paths and field.kind == "path":
        terms.append(Term(kind="under", argument=name, values=_set(_parent(path) for path in field.paths)))
    if field.tokens:
        terms.append(Term(kind="tokens", argument=name, values=tuple(field.tokens[:MAX_BLOCK_TOKENS])))
    return terms


def widen(rule: FastRule, call: Canonical, weigh: Weigh) -> FastRule | None:
    """The narrowest rule that covers all that ``rule`` does and ``call`` too; None where they have too little in common."""
    terms = _widen_allow(rule, call) if rule.action == "allow" else _widen_block(rule, call, weigh)
    if not terms:
        return None
    origin = Origin(
        by=rule.origin.by,
        calls=(*rule.origin.calls[-31:], call.digest),
        labels=_set((*rule.origin.labels, *(label for labels in call.labels.values() for label in labels))),
        replaces=rule.id,
    )
    return named(replace(rule, terms=tuple(terms), origin=origin, hits=0))


def _widen_allow(rule: FastRule, call: Canonical) -> list[Term] | None:
    if {term.argument for term in rule.terms if term.argument != "*"} != call.fields.keys():
        return None
    terms: list[Term] = []
    for term in rule.terms:
        if term.argument == "*":
            terms.append(term)
            continue
        field = call.fields[term.argument]
        wider = _wider(term, field)
        if wider is None:
            return None
        terms.append(wider)
    return terms


def _wider(term: Term, field: Field) -> Term | None:
    match term.kind:
        case "equals":
            return _wider_equals(term, field)
        case "hosts":
            return _union(term, field.hosts, MAX_HOSTS)
        case "under":
            return _wider_under(term, field)
        case "words":
            return _union(term, field.tokens, MAX_WORDS, high=max(term.high, float(len(set(field.tokens)) // 16)))
        case "shape":
            high = max(term.high, float(_round_up(field.chars * 1.5 + 8))) if field.chars > term.high else term.high
            return _union(term, field.marks, 32, high=high)
        case "between" if field.numbers:
            low, high = min(field.numbers), max(field.numbers)
            return Term(kind="between", argument=term.argument, low=min(term.low, _round_down(low)), high=max(term.high, _round_up(high)))
        case "absent" if not set(term.values).intersection(field.tokens):
            return term
        case _:
            return None


def _wider_equals(term: Term, field: Field) -> Term | None:
    wider = _union(term, field.values, MAX_EQUALS)
    if wider is not None or not field.values:
        return wider
    if field.kind == "mail" and field.hosts:  # Many people of one house.
        hosts = {value.rpartition("@")[2] for value in term.values} | set(field.hosts)
        return Term(kind="hosts", argument=term.argument, values=_set(hosts)) if len(hosts) <= 2 else None
    if field.kind == "text":
        tokens = {token for value in term.values for token in value.split() if token.isalpha()}
        return Term(kind="words", argument=term.argument, values=_set((*tokens, *field.tokens)))
    return None


def _wider_under(term: Term, field: Field) -> Term | None:
    if not field.paths:
        return None
    news = [path for path in map(_parent, field.paths) if not any(path == old or path.startswith(old + "/") for old in term.values)]
    prefixes = _set((*term.values, *news))
    if len(prefixes) > MAX_PREFIXES:
        together = _together(prefixes)
        if together.count("/") < (2 if together.startswith("/") else 1):
            return None
        prefixes = (together,)
    return Term(kind="under", argument=term.argument, values=prefixes)


def _union(term: Term, more: Iterable[str], limit: int, high: float | None = None) -> Term | None:
    values = {*term.values, *more}
    if len(values) > limit or (not values and term.kind != "shape" and term.kind != "words"):
        return None
    return Term(kind=term.kind, argument=term.argument, values=_set(values), low=term.low, high=term.high if high is None else high)


def _widen_block(rule: FastRule, call: Canonical, weigh: Weigh) -> list[Term] | None:
    terms: list[Term] = []
    telling = 0.0
    for term in rule.terms:
        field = call.fields.get(term.argument)
        if field is None:
            continue
        match term.kind:
            case "tokens":
                shared = in_both(term.values, field.tokens)
                kept = [token for token in shared if weigh(token) > 0.5] or shared[:6]
                telling += sum(map(weigh, kept))
                if kept and len(kept) >= 1:
                    terms.append(Term(kind="tokens", argument=term.argument, values=tuple(kept)))
            case "hosts" if set(field.hosts) <= set(term.values):
                terms.append(term)
                telling += 2 * min((weigh(host) for host in term.values), default=0.0)
            case "under":
                same = [value for value in term.values if all(path == value or path.startswith(value + "/") for path in field.paths)]
                if field.paths and same:
                    terms.append(term)
                    telling += 1.0
            case _:
                pass
    return terms if telling >= 1.5 else None


def in_both(left: Iterable[str], right: list[str]) -> list[str]:
    """Tokens of ``left`` that occur in ``right`` in the same order: not the longest such list, but one found in linear time per
    token, and the same each time."""
    at = 0
    found: list[str] = []
    for token in left:
        try:
            at = right.index(token, at) + 1
        except ValueError:
            continue
        found.append(token)
    return found


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or ("/" if path.startswith("/") else path)


def _together(paths: tuple[str, ...]) -> str:
    split = [path.split("/") for path in paths]
    shared: list[str] = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared)


def _round_up(number: float) -> float:
    """The next of 1, 2, 5, 10, 20, … away from zero; negative numbers towards it."""
    if number <= 0:
        return -_round_down(-number) if number else 0.0
    scale = 10.0 ** math.floor(math.log10(number)) if number < 1e300 else 1e300
    return next((step * scale for step in (1.0, 2.0, 5.0, 10.0) if step * scale >= number), number)


def _round_down(number: float) -> float:
    if number <= 0:
        return -_round_up(-number) if number else 0.0
    scale = 10.0 ** math.floor(math.log10(number)) if number < 1e300 else 1e300
    return next((step * scale for step in (5.0, 2.0, 1.0) if step * scale <= number), 0.0)


def _set(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))
