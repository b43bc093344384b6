"""Envelopes that bound what adds up: at most so often, so much, so risky."""

from __future__ import annotations

import math
from collections.abc import Callable

from bailiwick.charter.envelopes.breach import Breach, waiting
from bailiwick.charter.envelopes.condition import Look, amount, look_up
from bailiwick.charter.envelopes.ending import End
from bailiwick.charter.envelopes.probes import Probe
from bailiwick.charter.envelopes.syntax import AtMost, Literal, Path, Risk, Total
from bailiwick.charter.envelopes.tallies import FORGIVEN, Count, Ever, Tally, Window, hazard
from bailiwick.charter.envelopes.watching import Check, Role, Watch
from bailiwick.charter.envelopes.words import spell
from bailiwick.charter.records import SafetyEnvelope
from bailiwick.effects import Call

ANY_RISK = 1e300
"""The bound, in hazards, of a risk of 1: only what cannot be told is above it."""

Measure = Callable[[Call, End | None], float]


class TallyWatch(Watch[Tally]):
    """At most so often, so much, so risky."""

    def __init__(self, envelope: SafetyEnvelope, found: AtMost | Total | Risk) -> None:
        probe = Probe(found.event, against=True)
        super().__init__(envelope, [probe])
        self._found = found
        self._holds = probe.holds
        self._where = probe.where
        self._same = 1.0
        """What each event adds, where that is always the same."""
        self._measure: Measure | None = None
        if not isinstance(found, AtMost):
            if isinstance(found.term, Literal):
                same = amount(found.term.value)
                self._same = hazard(same) if isinstance(found, Risk) else same
            else:
                self._measure = _measure(found, look_up(found.term))
        self._most = float(found.most)
        if isinstance(found, Risk):
            self._most = hazard(found.most) if found.most < 1 else ANY_RISK
        self._bound = self._most * FORGIVEN

    def new(self) -> Tally:
        match self._found:
            case AtMost(per_ns=int() as per_ns, most=most):
                return Count(per_ns, most)
            case Total(per_ns=int() as per_ns):
                return Window(per_ns)
            case _:
                return Ever()

    def checker(self, role: Role) -> Check | None:
        if not role.at_intent:
            return None
        monitors, scope, where, measure, bound = self.monitors, self.scope, self._where, self._measure, self._bound
        same = self._same
        same = self._same

        def check(call: Call) -> Breach | None:
            if where is not None and where(call, None) is False:
                return None
            added = same if measure is None else measure(call, None)
            tally = monitors.get(scope(call))
            if tally is None:
                return self._crowded(call) or (self._too_much(call, self.new(), added, call.at_ns) if added > bound else None)
            now_ns = call.at_ns if call.at_ns > tally.now_ns else tally.now_ns
            return None if tally.level(now_ns) + added <= bound else self._too_much(call, tally, added, now_ns)

        return check

    def admitted(self, call: Call, role: Role, effect: str) -> None:
        if role.at_intent:
            tally = self.monitor(call)
            tally.admit(effect, max(call.at_ns, tally.now_ns), self._amount(call, None))

    def ended(self, call: Call, role: Role, effect: str, end: End) -> Breach | None:
        if not role.at_intent and not role.ending(end):
            return None
        tally = self.monitor(call)
        now_ns = max(end.at_ns, tally.now_ns)
        counted = self._amount(call, end)
        known = tally.pending.get(effect)
        if role.at_intent and (known is None or known[1] == counted):  # Nothing changes but that it is certain now.
            tally.end(effect, counted, now_ns)
            return None
        before = tally.level(now_ns)
        if role.at_intent:
            tally.end(effect, counted, now_ns)
        else:
            tally.count(effect, now_ns, counted)
        level = tally.level(now_ns)
        if level <= self._bound or before > self._bound:
            return None
        return self._broken(call, f"{self._text}, and {self._there_is(level)}", tuple(tally.recent))

    def _amount(self, call: Call, end: End | None) -> float:
        if not self._holds(call, end):
            return 0.0
        return self._same if self._measure is None else self._measure(call, end)

    def _too_much(self, call: Call, tally: Tally, added: float, now_ns: int) -> Breach:
        if math.isinf(added):
            can = "a probability" if isinstance(self._found, Risk) else "a number that is not negative"
            return self._refusal(call, f", and how much this would add cannot be told: it must be {can}")
        if added > self._bound:
            return self._refusal(call, ", which this alone would pass" if self._most else "")
        level = tally.level(now_ns)
        hint, until_s = waiting(now_ns, tally.room_at(added, self._most))
        return self._refusal(call, f", and {self._there_is(level)}; {hint}", tuple(tally.recent), until_s)

    def _there_is(self, level: float) -> str:
        per_ns = None if isinstance(self._found, Risk) else self._found.per_ns
        span = f" in the last {spell(per_ns)}" if per_ns is not None else ""
        if math.isinf(level):
            return f"how much there is{span} cannot be told"
        match self._found:
            case AtMost():
                return f"there {'was 1' if level == 1 else f'were {level:.0f}'}{span}, counting what is in flight"
            case Risk():
                return f"the risk taken is {-math.expm1(-level):.4g}, counting what is in flight"
            case Total():
                return f"the total is {level:.9g}{span}, counting what is in flight"


def _measure(found: Total | Risk, look: Look) -> Measure:
    if isinstance(found, Risk):
        return lambda call, end: hazard(amount(look(call, end)))
    if isinstance(found.term, Path) and found.term.parts[0] == "value":
        expecting = found.expecting
        return lambda call, end: expecting if end is None else amount(look(call, end))
    return lambda call, end: amount(look(call, end))
