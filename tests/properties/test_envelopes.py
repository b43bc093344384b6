"""Monitors agree at every step with an evaluator that goes through the whole history, on random properties and random histories."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick import codec
from bailiwick.charter import SafetyEnvelope
from bailiwick.charter.envelopes import Breach, Monitors, audit
from bailiwick.effects import Call, Cost, EffectClass, Failure, Intent, Kind, Outcome, Record, Status
from bailiwick.ids import AgentId, EffectId, RunId
from tests.properties import naive_envelopes as naive
from tests.properties.naive_envelopes import COSTS, Bound, Condition, Entry, Event, Never, Op, Property, Regret, Response

S = 1_000_000_000
TOOLS = ["a", "b", "c"]
RUNS = [RunId("run_00000000000a" + "1" * 20), RunId("run_00000000000b" + "2" * 20)]
AGENTS = [AgentId("agt_00000000000a" + "3" * 20), AgentId("agt_00000000000b" + "4" * 20)]

conditions = st.one_of(
    st.builds(Condition, name=st.just("x"), sign=st.sampled_from([">", "<="]), value=st.sampled_from([0, 1, 1.5])),
    st.builds(Condition, name=st.just("x"), sign=st.just("=="), value=st.just("s")),
    st.builds(Condition, name=st.just("cost.usd"), sign=st.just(">"), value=st.sampled_from([0.1, 0.3])),
    st.builds(Condition, name=st.just("labels"), sign=st.just("in labels"), value=st.just("web")),
)


def events(conditions: st.SearchStrategy[Condition] = conditions) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        tool=st.sampled_from([*TOOLS, "*"]),
        what=st.sampled_from(["", "", "", "attempted", "done", "failed", "refused", "cancelled"]),
        condition=st.none() | conditions,
    )


spans = st.none() | st.integers(1, 5).map(lambda s: s * S)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(lambda p: Op("not", (p,)), inner),
        st.builds(lambda name, p, q: Op(name, (p, q)), st.sampled_from(["and", "or"]), inner, inner),
        st.builds(lambda name, p, w: Op(name, (p,), w), st.sampled_from(["once", "historically"]), inner, spans),
        st.builds(lambda p: Op("previously", (p,)), inner),
        st.builds(lambda p, q, w: Op("since", (p, q), w), inner, inner, spans),
    )


def _after(event: Event, earlier: Event, unless: Event | None, within_ns: int | None) -> Never:
    within = f" within {within_ns // S}s" if within_ns else ""
    if unless is None:
        return Never(Op("and", (event, Op("before", (earlier,), within_ns))), f"never {event.text}{within} after {earlier.text}")
    formula = Op("and", (event, Op("since before", (Op("not", (unless,)), earlier), within_ns)))
    return Never(formula, f"never {event.text}{within} after {earlier.text} unless {unless.text}")


def _only(event: Event, earlier: Event, within_ns: int | None) -> Never:
    within = f" within {within_ns // S}s" if within_ns else ""
    return Never(Op("and", (event, Op("not", (Op("before", (earlier,), within_ns),)))), f"{event.text} only after {earlier.text}{within}")


def _bound(form: str, event: Event, most: int, term: str, per_ns: int | None) -> Bound:
    per = f" per {per_ns // S}s" if per_ns and form != "risk" else ""
    match form:
        case "count":
            return Bound(form, event, most, "1", per_ns, f"at most {most} {event.text}{per}")
        case "total":
            return Bound(form, event, most / 4, term, per_ns, f"total {term} of {event.text} at most {most / 4}{per}")
        case _:
            return Bound(form, event, most / 8, term, None, f"risk {term} of {event.text} at most {most / 8}")


def _regret(event: Event, most: int, lowest: bool, expecting: int) -> Regret:
    event = Event(event.tool, event.what or "done", event.condition)
    best = "lowest" if lowest else "highest"
    return Regret(event, most, lowest, expecting, f"regret of {best} value of {event.text} at most {most} expecting {expecting}")


def _response(trigger: Event, answer: Event, within_s: int, stop: bool) -> Response:
    trigger = Event(trigger.tool, trigger.what)
    text = f"every {trigger.text} followed by {answer.text} within {within_s}s{' or stop' if stop else ''}"
    return Response(trigger, answer, within_s * S, stop, text)


properties: st.SearchStrategy[Property] = st.one_of(
    st.recursive(events(), _deeper, max_leaves=6).map(lambda f: Never(f, f"never ({f.text})")),
    st.builds(_after, events(), events(), st.none() | events(), spans),
    st.builds(_only, events(), events(), spans),
    st.builds(
        _bound,
        st.sampled_from(["count", "total", "risk"]),
        events(),
        st.integers(0, 4),
        st.sampled_from(["x", "cost.usd", "cost.usd", "0.25", "1"]),
        spans,
    ),
    st.builds(_regret, events().filter(lambda e: e.what in ("", "done")), st.integers(0, 4), st.booleans(), st.integers(0, 2)),
    st.builds(_response, events(st.nothing()), events(), st.integers(1, 5), st.booleans()),
)

calls = st.builds(
    lambda tool, run, agent, x, cost, web: Call(
        kind=Kind.TOOL,
        tool=tool,
        effect=EffectClass.IRREVERSIBLE,
        arguments={} if x is None else {"x": x},
        agent=agent,
        agent_class="",
        run=run,
        principal="",
        at_ns=0,
        estimate=cost,
        labels={"x": frozenset({"web"})} if web else {},
    ),
    st.sampled_from(TOOLS),
    st.sampled_from(RUNS),
    st.sampled_from(AGENTS),
    st.sampled_from([None, 0, 1, 2, 0.5, math.nan, "s", True, -1]),
    st.sampled_from(COSTS),
    st.booleans(),
)
ends = st.tuples(
    st.sampled_from([Status.DONE, Status.DONE, Status.FAILED, Status.REFUSED, Status.CANCELLED]),
    st.sampled_from(["bad_input", "tool_failed"]),
    st.sampled_from(COSTS),
    st.sampled_from([0, 1, 2, 3]),
)
# What comes next: an effect begins, or one in flight ends (its number), or one is refused at the door; and how much later.
steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "begin", "begin", "end", "end", "end", "refuse"]), calls, ends, st.integers(0, 9), st.integers(-1, 3)
    ),
    min_size=6,
    max_size=16,
)


def outcome_of(effect: str, end: tuple[Status, str, Cost, int], at_ns: int) -> Outcome:
    status, code, cost, value = end
    failure = Failure(code=code, type="x:Y", message="") if status is Status.FAILED else None
    encoded = codec.encode(value) if status is Status.DONE else b""
    return Outcome(id=EffectId(effect), status=status, failure=failure, cost=cost, value=encoded, ended_ns=at_ns)


SCOPES: dict[str, Callable[[Call], str]] = {"run": lambda call: call.run, "agent": lambda call: call.agent, "all": lambda call: ""}


class Comparison:
    """Monitors of one property beside the naive evaluator, step by step."""

    def __init__(self, prop: Property, scope: str) -> None:
        self.prop = prop
        self.scope = SCOPES[scope]
        self.envelope = SafetyEnvelope(name="e", property=prop.text, scope=scope)
        self.monitors = Monitors([self.envelope])
        self.histories: dict[str, list[Entry]] = {}
        self.flying: list[Entry] = []
        self.told: set[str] = set()

    def history(self, call: Call) -> list[Entry]:
        return self.histories.setdefault(self.scope(call), [])

    def begin(self, effect: str, call: Call) -> None:
        history = self.history(call)
        self.late(call.at_ns)
        said = self.monitors.would_break(call)
        assert (said is not None) == self.prop.would_break(history, call), (self.prop.text, said)
        assert said is None or self.monitors.mentions(call.tool)
        self.monitors.admitted(call, EffectId(effect))
        entry = Entry(effect, call, call.at_ns, True)
        history.append(entry)
        self.flying.append(entry)

    def end(self, entry: Entry, outcome: Outcome) -> None:
        history = self.history(entry.call)
        self.late(outcome.ended_ns)
        said = self.monitors.observe(entry.call, outcome)
        after = [*history, Entry(entry.effect, entry.call, outcome.ended_ns, False, outcome)]
        assert bool(said) == self.prop.broken_by_end(history, after), (self.prop.text, said)
        history[:] = after

    def late(self, now_ns: int) -> None:
        said = {breach.because[0] for breach in self.monitors.overdue(now_ns)}
        meant: set[str] = set()
        if isinstance(self.prop, Response):
            meant = {late for history in self.histories.values() if (late := self.prop.overdue(history, now_ns)) is not None} - self.told
        assert said == meant, self.prop.text
        self.told |= meant

    def step(self, number: int, what: str, call: Call, end: tuple[Status, str, Cost, int], which: int, at_ns: int) -> None:
        effect = f"eff_{number}"
        call = call._replace(at_ns=at_ns)
        if what == "begin":
            self.begin(effect, call)
        elif what == "end" and self.flying:
            entry = self.flying.pop(which % len(self.flying))
            self.end(entry, outcome_of(entry.effect, end, at_ns))
        elif what == "refuse":
            self.end(Entry(effect, call, at_ns, True), outcome_of(effect, (Status.REFUSED, *end[1:]), at_ns))


@settings(max_examples=400, deadline=None)
@given(properties, st.sampled_from(list(SCOPES)), steps)
def test_monitors_say_what_the_whole_history_says(prop: Property, scope: str, steps: list[Any]) -> None:
    comparison = Comparison(prop, scope)
    at_ns = 10 * S
    for number, (what, call, end, which, later_s) in enumerate(steps):
        at_ns = max(0, at_ns + later_s * S)
        comparison.step(number, what, call, end, which, at_ns)


@settings(max_examples=150, deadline=None)
@given(properties, st.sampled_from(list(SCOPES)), steps, st.sets(st.integers(0, 13)))
def test_sealing_and_restoring_at_any_point_changes_nothing(prop: Property, scope: str, steps: list[Any], at: set[int]) -> None:
    comparison = Comparison(prop, scope)
    at_ns = 10 * S
    for number, (what, call, end, which, later_s) in enumerate(steps):
        if number in at:
            sealed = comparison.monitors.state()
            comparison.monitors = Monitors([comparison.envelope])
            assert comparison.monitors.restore(sealed) == ()
            assert comparison.monitors.state() == sealed
        at_ns = max(0, at_ns + later_s * S)
        comparison.step(number, what, call, end, which, at_ns)


@settings(max_examples=400, deadline=None)
@given(st.lists(properties, min_size=1, max_size=3), st.sampled_from(list(SCOPES)), steps)
def test_an_audit_of_the_record_finds_what_was_said_while_it_was_written(props: list[Property], scope: str, steps: list[Any]) -> None:
    envelopes = [
        SafetyEnvelope(name=f"e{number}", property=prop.text, scope=scope) for number, prop in enumerate(props) if "labels" not in prop.text
    ]
    online = [Monitors([envelope]) for envelope in envelopes]
    record: list[tuple[int, Record]] = []
    said: set[tuple[int, str, str]] = set()
    flying: list[tuple[Intent, Call]] = []
    at_ns = 10 * S

    def note(breach: Breach | None, effect: str) -> None:
        if breach is not None:
            said.add((len(record), effect, breach.envelope))

    for number, (what, call, end, which, later_s) in enumerate(steps):
        at_ns = max(0, at_ns + later_s * S)
        call = call._replace(at_ns=at_ns, estimate=Cost(), labels={}, run=RUNS[0])
        intent = _intent(f"eff_{number}", call)
        if what == "end" and not flying:
            continue
        if what != "end":
            record.append((len(record) + 1, intent))
        if what == "refuse":
            for monitors in online:
                for late in monitors.overdue(at_ns):
                    note(late, str(late.because[0]))
        record.extend([(len(record) + 1, outcome_of(intent.id, (Status.REFUSED, *end[1:]), at_ns))] if what == "refuse" else [])
        if what == "end":
            intent, call = flying.pop(which % len(flying))
            if end[0] is Status.REFUSED and record[-1][1] is intent:  # On record that is what was never in flight.
                end = (Status.CANCELLED, *end[1:])
            record.append((len(record) + 1, outcome_of(intent.id, end, at_ns)))
        for monitors in online:
            for late in monitors.overdue(at_ns):
                note(late, str(late.because[0]))
            if what == "begin":
                note(monitors.would_break(call), intent.id)
                monitors.admitted(call, intent.id)
            else:
                outcome = record[-1][1]
                assert isinstance(outcome, Outcome)
                for breach in monitors.observe(call, outcome):
                    note(breach, intent.id)
        if what == "begin":
            flying.append((intent, call))
    found = {(violation.seq, str(violation.effect), violation.envelope) for violation in audit(record, envelopes)}
    crashed = {one for one in found ^ said if one[0] > len(record)}
    assert found == said, crashed


def _intent(effect: str, call: Call) -> Intent:
    return Intent(
        id=EffectId(effect),
        run=call.run,
        agent=call.agent,
        position="1",
        kind=call.kind,
        tool=call.tool,
        effect=call.effect,
        arguments=codec.encode(dict(call.arguments)),
        at_ns=call.at_ns,
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.25, 0.5, 1.0])), min_size=30, max_size=80))
def test_a_crowded_window_never_counts_less_than_there_is(paid: list[tuple[int, float]]) -> None:
    """Beyond what is kept apart, amounts are joined at the later time: too much may be counted, never too little."""
    from bailiwick.charter.envelopes import tallies

    window = tallies.Window(20 * S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tallies, "KEPT", 8)
        at_ns, counted = 0, list[tuple[int, float]]()
        for number, (later_s, usd) in enumerate(paid):
            at_ns += later_s * S
            window.admit(str(number), at_ns, usd)
            window.end(str(number), usd, at_ns)
            counted.append((at_ns, usd))
            assert window.level(at_ns) >= sum(amount for then_ns, amount in counted if then_ns > at_ns - 20 * S)


def test_the_naive_evaluator_can_say_no() -> None:
    call = Call(Kind.TOOL, "a", EffectClass.READ, {}, AGENTS[0], "", RUNS[0], "", S)
    assert naive.Never(Event("a"), "never a").would_break([], call)
    assert not naive.Never(Event("b"), "never b").would_break([], call)
