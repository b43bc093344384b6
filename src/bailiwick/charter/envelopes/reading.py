"""Reading properties: text in, `Property` out. The grammar stands in the package's docstring."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bailiwick.charter.envelopes.reader import Reader, number, unquoted
from bailiwick.charter.envelopes.syntax import (
    And,
    AtMost,
    Compare,
    Condition,
    Event,
    Every,
    Formula,
    Literal,
    Negated,
    Never,
    Not,
    Once,
    Or,
    Path,
    Previously,
    Property,
    Regret,
    Response,
    Risk,
    Since,
    Some,
    Term,
    Total,
    What,
    paths,
)
from bailiwick.charter.envelopes.words import CLASSES, KINDS, OPERATORS, OUTCOMES, RESERVED, STARTS, Token, nearest, wrong
from bailiwick.effects import Cost, EffectClass, Kind

MAX_MOST = 10_000
"""How many times in a window can be kept apart."""
MAX_EVENTS = 64
"""Events in one property."""
MAX_PATTERN = 256

_PATH = re.compile(r"\w+(\.\w+)*")
_WORDS = {"true": True, "false": False, "none": None}
_COST = Cost.__struct_fields__


def parse_property(text: str) -> Property:
    """What ``text`` says. Raises `BadInput` that says where it goes wrong and, for a word that is not known, which is near."""
    reader = Reader(text)
    start = reader.next
    word = reader.accept(*STARTS)
    match word:
        case "never":
            found, more = _never(reader), ("after", "within", "unless", *OPERATORS)
        case "always":
            found, more = Never(Not(_formula(reader))), OPERATORS
        case "at":
            found, more = _at_most(reader), ("per", "where")
        case "total":
            found, more = _total(reader), ("per", "expecting")
        case "regret":
            found, more = _regret(reader), ("expecting",)
        case "risk":
            found, more = _risk(reader), ()
        case "every":
            found, more = _response(reader), ("or",)
        case _:
            found, more = _only_after(reader, start), ("within",)
    reader.end((*more, "the end"))
    return found


def _never(reader: Reader) -> Never:
    formula = _formula(reader)
    within = reader.duration_ns() if reader.accept("within") else None
    if within is None and not reader.sees("after"):
        return Never(formula)
    reader.expect("after")
    earlier = _event(reader)
    if reader.accept("unless"):
        return Never(And((formula, Since(Not(_event(reader)), earlier, within, before=True))))
    return Never(And((formula, Once(earlier, within, before=True))))


def _only_after(reader: Reader, start: Token) -> Never:
    event = _event(reader)
    if not reader.sees("only") and (hint := nearest(start.text, STARTS)):
        raise wrong(start.at, f"`{start.text}` begins no property{hint}")
    reader.expect("only", "after")
    earlier = _event(reader)
    within = reader.duration_ns() if reader.accept("within") else None
    return Never(And((event, Not(Once(earlier, within, before=True)))))


def _at_most(reader: Reader) -> AtMost:
    reader.expect("most")
    at = reader.next.at
    most = reader.number()
    event = _event(reader)
    per_ns = _per(reader)
    if not float(most).is_integer():
        raise wrong(at, f"{most} is no whole number of events")
    if per_ns is not None and most > MAX_MOST:
        raise wrong(
            at, f"of {most:.0f} events in a window each would be kept apart: at most {MAX_MOST}; use `total 1 of … at most {most:.0f}`"
        )
    return AtMost(event, int(most), per_ns)


def _total(reader: Reader) -> Total:
    term = _term(reader)
    reader.expect("of")
    event = _event(reader)
    reader.expect("at", "most")
    most = reader.number()
    per_ns = _per(reader)
    return Total(term, _done_if_read_from_outcome(event, term), most, per_ns, _expecting(reader))


def _regret(reader: Reader) -> Regret:
    reader.expect("of")
    lowest = reader.accept("highest", "lowest") == "lowest"
    term = _term(reader)
    reader.expect("of")
    event = _event(reader)
    reader.expect("at", "most")
    most = reader.number()
    return Regret(term, _done_if_read_from_outcome(event, term), most, lowest, _expecting(reader))


def _risk(reader: Reader) -> Risk:
    term = _term(reader)
    reader.expect("of")
    event = _event(reader)
    reader.expect("at", "most")
    at = reader.next.at
    most = reader.number()
    if most > 1:
        raise wrong(at, f"{most} is no probability")
    if any(path.parts[0] in ("value", "status") for path in paths(term)):
        raise wrong(at, "a risk is known before: it is a number, an argument or a cost")
    return Risk(term, event, most)


def _response(reader: Reader) -> Response:
    trigger = _event(reader)
    reader.expect("followed", "by")
    answer = _event(reader)
    reader.expect("within")
    within_ns = reader.duration_ns()
    stop = bool(reader.accept("or"))
    if stop:
        reader.expect("stop")
    return Response(trigger, answer, within_ns, stop)


def _per(reader: Reader) -> int | None:
    return reader.duration_ns() if reader.accept("per") else None


def _expecting(reader: Reader) -> float:
    return reader.number() if reader.accept("expecting") else 0.0


def _done_if_read_from_outcome(event: Event, term: Term) -> Event:
    """What only a result says can be read only of what was done."""
    if event.what is What.HAPPENED and isinstance(term, Path) and term.parts[0] == "value":
        return Event(What.DONE, event.tool, event.effect, event.kind, event.where)
    return event


def _formula(reader: Reader) -> Formula:
    formula = _either(reader)
    if sum(1 for _ in _events(formula)) > MAX_EVENTS:
        raise wrong(0, f"a property speaks of at most {MAX_EVENTS} events")
    return formula


def _either(reader: Reader) -> Formula:
    parts = [_both(reader)]
    while reader.accept("or"):
        parts.append(_both(reader))
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _both(reader: Reader) -> Formula:
    parts = [_since(reader)]
    while reader.accept("and"):
        parts.append(_since(reader))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _since(reader: Reader) -> Formula:
    found = _one(reader)
    while reader.accept("since"):
        with reader.deeper():
            within = reader.bound_ns()
            found = Since(found, _one(reader), within)
    return found


def _one(reader: Reader) -> Formula:
    with reader.deeper():
        match reader.accept("not", "once", "historically", "previously", "("):
            case "not":
                return Not(_one(reader))
            case "once":
                within = reader.bound_ns()
                return Once(_one(reader), within)
            case "historically":
                within = reader.bound_ns()
                return Not(Once(Not(_one(reader)), within))
            case "previously":
                return Previously(_one(reader))
            case "(":
                inner = _either(reader)
                reader.expect(")")
                return inner
            case _:
                return _event(reader)


def _events(formula: Formula) -> Iterator[Event]:
    match formula:
        case Event():
            yield formula
        case And() | Or():
            for part in formula.parts:
                yield from _events(part)
        case Since():
            yield from _events(formula.left)
            yield from _events(formula.right)
        case _:
            yield from _events(formula.part)


def _event(reader: Reader) -> Event:
    what, effect, kind = What.HAPPENED, None, None
    named = False
    while reader.sees(*OUTCOMES, *CLASSES, *KINDS):
        word = reader.take()
        named = True
        if word.text in OUTCOMES and what is What.HAPPENED:
            what = What(word.text)
        elif word.text in CLASSES and effect is None:
            effect = EffectClass(word.text)
        elif word.text in KINDS and kind is None:
            kind = Kind(word.text)
        else:
            raise wrong(word.at, f"`{word.text}` says again what was said; a tool of that name stands in quotes")
    tool = _pattern(reader, named)
    where = _alternatives(reader, inside=False) if reader.accept("where") else None
    return Event(what, tool, effect, kind, where)


def _pattern(reader: Reader, named: bool) -> str:
    token = reader.next
    if token.kind == "text" or (token.kind == "word" and token.text not in RESERVED):
        reader.take()
        if not unquoted(token) or len(token.text) > MAX_PATTERN:
            raise wrong(token.at, f"a tool's name has 1 to {MAX_PATTERN} characters")
        return unquoted(token)
    if named:
        return "*"
    if token.kind == "word":
        raise wrong(token.at, f"a tool is named here, and `{token.text}` is a word of this language; a tool of that name stands in quotes")
    raise wrong(token.at, f"{f'`{token.text}`' if token.text else 'the end'} stands where a tool is named, such as `pay` or `send_*`")


def _alternatives(reader: Reader, *, inside: bool) -> Condition:
    parts = [_conjunction(reader, inside=inside)]
    while reader.sees("or") and (inside or _compares(reader)):
        reader.take()
        parts.append(_conjunction(reader, inside=inside))
    return parts[0] if len(parts) == 1 else Some(tuple(parts))


def _conjunction(reader: Reader, *, inside: bool) -> Condition:
    parts = [_condition(reader)]
    while reader.sees("and") and (inside or _compares(reader)):
        reader.take()
        parts.append(_condition(reader))
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _compares(reader: Reader) -> bool:
    """Whether what follows `and` or `or` is a comparison; else they join formulas."""
    sign = reader.ahead(2)
    return reader.ahead(1).kind in ("word", "text", "number") and (sign.kind == "sign" or sign.text in ("in", "like"))


def _condition(reader: Reader) -> Condition:
    with reader.deeper():
        if reader.accept("not"):
            return Negated(_condition(reader))
        if reader.accept("("):
            inner = _alternatives(reader, inside=True)
            reader.expect(")")
            return inner
    at = reader.next.at
    left = _term(reader)
    if reader.next.kind == "sign" or reader.sees("in", "like"):
        sign = reader.take().text
        right = _term(reader)
        if sign == "like" and not (isinstance(right, Literal) and isinstance(right.value, str) and len(right.value) <= MAX_PATTERN):
            raise wrong(at, f"`like` is followed by a text in quotes, of at most {MAX_PATTERN} characters")
        return Compare(sign, left, right)
    if isinstance(left, Literal):
        raise wrong(at, 'a condition compares something: `usd > 100`, `to in ["a", "b"]`, `to like "*@example.org"`')
    return left


def _term(reader: Reader) -> Term:
    token = reader.take()
    if token.kind == "number":
        return Literal(number(token))
    if token.kind == "text":
        return Literal(token.text[1:-1])
    if token.kind == "mark" and token.text == "[":
        return Literal(tuple(_items(reader)))
    if token.kind == "word" and token.text in _WORDS:
        return Literal(_WORDS[token.text])
    path = unquoted(token)
    if token.kind != "word" or token.text in RESERVED or not _PATH.fullmatch(path):
        raise wrong(token.at, f"{f'`{token.text}`' if token.text else 'the end'} stands where a number, a text or an argument's name can")
    parts = tuple(path.split("."))
    if parts[0] == "cost" and (len(parts) != 2 or parts[1] not in _COST):
        hint = nearest(parts[-1], _COST) or f"; there are {', '.join(_COST)}"
        raise wrong(token.at, f"`{path}` is no cost{hint}")
    return Path(parts)


def _items(reader: Reader) -> Iterator[object]:
    while not reader.sees("]"):
        item = _term(reader)
        if not isinstance(item, Literal) or isinstance(item.value, tuple):
            raise wrong(reader.next.at, "a list holds numbers and texts in quotes")
        yield item.value
        if not reader.sees("]"):
            reader.expect(",")
    reader.expect("]")
