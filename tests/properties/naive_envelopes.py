"""What envelopes mean, written down directly: every question is answered by going through the whole history again.

Slow, and with no state but the history: `tests/properties/test_envelopes.py` compares the monitors with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bailiwick.effects import Call, Cost, Kind, Outcome, Status

NOTHING_DONE = {"bad_input", "unavailable"}


@dataclass(frozen=True)
class Condition:
    """``text`` on the wire; ``name sign value`` in meaning."""

    name: str
    sign: str
    value: Any

    @property
    def text(self) -> str:
        if self.sign == "in labels":
            return f'"{self.value}" in labels'
        return f"{self.name} {self.sign} {self.value!r}"

    def truth(self, call: Call, outcome: Outcome | None) -> bool | None:
        if self.sign == "in labels":
            return any(self.value in found for found in call.labels.values())
        match self.name:
            case "cost.usd":
                found: Any = (outcome.cost if outcome else call.estimate).usd
            case "status":
                found = outcome.status.value if outcome else None
            case _:
                found = call.arguments.get(self.name)
        if isinstance(self.value, str):
            return (found == self.value) if isinstance(found, str) else None
        if isinstance(found, bool) or not isinstance(found, (int, float)) or math.isnan(found):
            return None
        return found > self.value if self.sign == ">" else found <= self.value


@dataclass(frozen=True)
class Event:
    tool: str
    what: str = ""
    condition: Condition | None = None

    @property
    def text(self) -> str:
        where = f" where {self.condition.text}" if self.condition else ""
        return f"{self.what} {self.tool}{where}".strip()

    def speaks_of(self, call: Call) -> bool:
        return call.kind is Kind.TOOL and (self.tool == "*" or call.tool == self.tool)

    def at_begin(self, against: bool) -> bool:
        return self.what == "attempted" or (against and self.what != "refused")

    def status(self) -> str:
        return self.what or "done"

    def true_at_begin(self, call: Call, outcome: Outcome | None, against: bool) -> bool:
        """An attempt that counts for is judged by what is known when it begins."""
        if not against:
            outcome = None
        if outcome is not None:
            match self.what:
                case "attempted":
                    pass
                case "":
                    refused = outcome.status is Status.REFUSED
                    if refused or (outcome.status is Status.FAILED and outcome.failure and outcome.failure.code in NOTHING_DONE):
                        return False
                case _:
                    if outcome.status.value != self.what:
                        return False
        return self._condition(call, outcome, against)

    def true_at_end(self, call: Call, outcome: Outcome, against: bool) -> bool:
        return outcome.status.value == self.status() and self._condition(call, outcome, against)

    def _condition(self, call: Call, outcome: Outcome | None, against: bool) -> bool:
        if self.condition is None:
            return True
        truth = self.condition.truth(call, outcome)
        return against if truth is None else truth


@dataclass(frozen=True)
class Op:
    """A formula: ``name`` is one of not, and, or, once, historically, previously, since, before (strict once), strict since."""

    name: str
    parts: tuple[Any, ...]
    within_ns: int | None = None

    @property
    def text(self) -> str:
        bound = f"[<= {self.within_ns // 1_000_000_000}s] " if self.within_ns is not None else ""
        texts = [part.text if isinstance(part, Event) and not part.condition else f"({part.text})" for part in self.parts]
        if self.name in ("and", "or"):
            return f" {self.name} ".join(texts)
        if self.name == "since":
            return f"{texts[0]} since {bound}{texts[1]}"
        return f"{self.name} {bound}{texts[0]}"


def events(formula: Any, against: bool = True) -> list[tuple[Event, bool]]:
    """Each event in it, and whether it counts against."""
    if isinstance(formula, Event):
        return [(formula, against)]
    flipped = not against if formula.name == "not" else against
    return [found for part in formula.parts for found in events(part, flipped)]


@dataclass
class Entry:
    """Something on the record: an effect began, or ended."""

    effect: str
    call: Call
    at_ns: int
    begins: bool
    outcome: Outcome | None = None
    """For an end: what it was."""


@dataclass
class Position:
    """An event of the property, in its place."""

    entry: Entry
    at_ns: int
    known: Outcome | None
    """For a beginning: the outcome, if it is known by now."""

    def truth(self, event: Event, against: bool) -> bool:
        call = self.entry.call
        if not event.speaks_of(call) or event.at_begin(against) != self.entry.begins:
            return False
        if self.entry.begins:
            return event.true_at_begin(call, self.known, against)
        assert self.entry.outcome is not None
        return event.true_at_end(call, self.entry.outcome, against)


def positions(history: list[Entry], spoken: list[tuple[Event, bool]]) -> tuple[list[Position], int]:
    """The positions of a property that speaks of these events, and the time by now."""
    outcomes = {entry.effect: entry.outcome for entry in history if not entry.begins}
    begun = {entry.effect for entry in history if entry.begins}
    found: list[Position] = []
    now_ns = 0
    for entry in history:
        of_it = [(event, against) for event, against in spoken if event.speaks_of(entry.call)]
        at_begin = any(event.at_begin(against) for event, against in of_it)
        if entry.begins:
            stands = at_begin
        else:
            assert entry.outcome is not None
            status = entry.outcome.status.value
            stands = any(not event.at_begin(against) and event.status() == status for event, against in of_it)
        if stands or (at_begin and (entry.begins or entry.effect in begun or of_it)):
            now_ns = max(now_ns, entry.at_ns)
        if stands:
            found.append(Position(entry, now_ns, outcomes.get(entry.effect) if entry.begins else None))
    return found, now_ns


def holds_at(formula: Any, where: list[Position], i: int, against: bool = True) -> bool:
    """Whether the formula is true at position ``i``, by the definition of each operator."""
    if isinstance(formula, Event):
        return where[i].truth(formula, against)

    def near(j: int) -> bool:
        return formula.within_ns is None or where[i].at_ns - where[j].at_ns <= formula.within_ns

    parts = formula.parts
    match formula.name:
        case "not":
            return not holds_at(parts[0], where, i, not against)
        case "and":
            return all(holds_at(part, where, i, against) for part in parts)
        case "or":
            return any(holds_at(part, where, i, against) for part in parts)
        case "once":
            return any(near(j) and holds_at(parts[0], where, j, against) for j in range(i + 1))
        case "before":
            return any(near(j) and holds_at(parts[0], where, j, against) for j in range(i))
        case "historically":
            return all(not near(j) or holds_at(parts[0], where, j, against) for j in range(i + 1))
        case "previously":
            return i > 0 and holds_at(parts[0], where, i - 1, against)
        case "since" | "since before":
            last = i if formula.name == "since" else i - 1
            return any(
                near(j)
                and holds_at(parts[1], where, j, against)
                and all(holds_at(parts[0], where, k, against) for k in range(j + 1, last + 1))
                for j in range(last + 1)
            )
    raise AssertionError(formula.name)


@dataclass(frozen=True)
class Never:
    formula: Any
    text: str

    def failing(self, history: list[Entry]) -> set[int]:
        """The entries (by their place in the history) at which it fails."""
        where, _ = positions(history, events(self.formula))
        return {id(p.entry) for i, p in enumerate(where) if holds_at(self.formula, where, i)}

    def would_break(self, history: list[Entry], call: Call) -> bool:
        begins = Entry("", call, call.at_ns, True)
        done = Outcome(id="", status=Status.DONE, cost=call.estimate, ended_ns=call.at_ns)  # type: ignore[arg-type]
        ends = Entry("?", call, call.at_ns, False, done)
        return bool(self.failing([*history, begins, ends]) & {id(begins), id(ends)})

    def broken_by_end(self, before: list[Entry], after: list[Entry]) -> bool:
        return bool(self.failing(after) - self.failing(before))


@dataclass(frozen=True)
class Bound:
    """At most so much: ``form`` is count, total, risk."""

    form: str
    event: Event
    most: float
    term: str
    """A number, an argument, or ``cost.usd``."""
    per_ns: int | None
    text: str

    def _amount(self, call: Call, outcome: Outcome | None) -> float:
        if self.form == "count":
            return 1.0
        if self.term[0].isdigit():
            return float(self.term)
        found = (outcome.cost if outcome else call.estimate).usd if self.term == "cost.usd" else call.arguments.get(self.term)
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not found >= 0:
            return math.inf
        return found if self.form == "total" or found <= 1 else math.inf

    def level(self, history: list[Entry], at_ns: int | None = None) -> float:
        spoken = [(self.event, True)]
        where, now_ns = positions(history, spoken)
        now_ns = max(now_ns, at_ns or 0)
        counted = [
            self._amount(p.entry.call, p.known or p.entry.outcome)
            for p in where
            if p.truth(self.event, True) and (self.per_ns is None or p.at_ns > now_ns - self.per_ns)
        ]
        if self.form != "risk":
            return sum(counted)
        return math.inf if math.inf in counted else 1 - math.prod(1 - p for p in counted)

    def would_break(self, history: list[Entry], call: Call) -> bool:
        begins = Entry("", call, call.at_ns, True)
        with_it = [*history, begins]
        where, _ = positions(with_it, [(self.event, True)])
        there = any(p.entry is begins and p.truth(self.event, True) for p in where)
        return there and self.level(with_it) > self.most + 1e-12

    def broken_by_end(self, before: list[Entry], after: list[Entry]) -> bool:
        _, now_ns = positions(after, [(self.event, True)])
        return self.level(after) > self.most + 1e-12 and not self.level(before, now_ns) > self.most + 1e-12


@dataclass(frozen=True)
class Regret:
    event: Event
    most: float
    lowest: bool
    expecting: float
    text: str

    def failing(self, history: list[Entry]) -> set[int]:
        where, _ = positions(history, [(self.event, True)])
        best, total, failing = None, 0.0, set[int]()
        for p in where:
            if not p.truth(self.event, True):
                continue
            if p.known is None:
                total += self.expecting
            else:
                value = _value(p.known)
                if value is None:
                    total = math.inf
                else:
                    worth = -value if self.lowest else value
                    best = worth if best is None else max(best, worth)
                    total += best - worth
            if total > self.most + 1e-12:
                failing.add(id(p.entry))
        return failing

    def would_break(self, history: list[Entry], call: Call) -> bool:
        begins = Entry("", call, call.at_ns, True)
        return id(begins) in self.failing([*history, begins])

    def broken_by_end(self, before: list[Entry], after: list[Entry]) -> bool:
        return bool(self.failing(after) - self.failing(before))


def _value(outcome: Outcome) -> float | None:
    from bailiwick import codec

    found: Any = codec.decode(outcome.value) if outcome.value else None
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None


@dataclass(frozen=True)
class Response:
    trigger: Event
    answer: Event
    within_ns: int
    stop: bool
    text: str

    def oldest(self, history: list[Entry]) -> Position | None:
        """The oldest trigger that has no answer behind it."""
        where, _ = positions(history, [(self.trigger, True), (self.answer, False)])
        waits: Position | None = None
        for p in where:
            if p.truth(self.answer, False):
                waits = None
            elif waits is None and p.truth(self.trigger, True):
                waits = p
        return waits

    def overdue(self, history: list[Entry], now_ns: int) -> str | None:
        waits = self.oldest(history)
        _, known_ns = positions(history, [(self.trigger, True), (self.answer, False)])
        return waits.entry.effect if waits is not None and max(now_ns, known_ns) > waits.at_ns + self.within_ns else None

    def would_break(self, history: list[Entry], call: Call) -> bool:
        done = Outcome(id="", status=Status.DONE, cost=call.estimate)  # type: ignore[arg-type]
        answers = self.answer.speaks_of(call) and (
            self.answer.true_at_begin(call, None, False) if self.answer.at_begin(False) else self.answer.true_at_end(call, done, False)
        )
        return self.stop and self.overdue(history, call.at_ns) is not None and not answers

    def broken_by_end(self, before: list[Entry], after: list[Entry]) -> bool:
        return False


Property = Never | Bound | Regret | Response
COSTS = [Cost(usd=0.0), Cost(usd=0.25), Cost(usd=0.5), Cost(usd=1.0)]
