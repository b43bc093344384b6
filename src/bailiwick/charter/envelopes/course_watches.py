"""Envelopes in which order matters: formulas over what was before, regret, answers that must come in time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from bailiwick.charter.envelopes.breach import Breach
from bailiwick.charter.envelopes.condition import look_up
from bailiwick.charter.envelopes.courses import ANSWER, Cells, Course, FormulaProgram, Program, RegretProgram, ResponseProgram
from bailiwick.charter.envelopes.ending import End, foreseen
from bailiwick.charter.envelopes.probes import Probe
from bailiwick.charter.envelopes.records import KeptWatch
from bailiwick.charter.envelopes.syntax import Formula, Path, Regret, Response
from bailiwick.charter.envelopes.watching import Check, Role, Watch
from bailiwick.charter.envelopes.words import spell
from bailiwick.charter.records import SafetyEnvelope
from bailiwick.effects import Call, Status


class CourseWatch(Watch[Course]):
    """What depends on order."""

    _in_bits = True
    """Whether a fact is a bit for each event."""

    def __init__(self, envelope: SafetyEnvelope, probes: list[Probe], program: Program) -> None:
        super().__init__(envelope, probes)
        self._program = program

    def new(self) -> Course:
        return Course(self._program)

    def checker(self, role: Role) -> Check | None:
        ending = [one for one in role.at_end if one[1].status is Status.DONE]
        if not role.at_intent and not ending:
            return None
        monitors, scope, start, fails = self.monitors, self.scope, self._program.start, self._program.fails
        begins, plain, sure = bool(role.at_intent), self._in_bits and not role.asked, role.sure

        def check(call: Call) -> Breach | None:
            course = monitors.get(scope(call))
            if course is not None:
                cells, now_ns = course.cells, call.at_ns if call.at_ns > course.now_ns else course.now_ns
            elif (crowded := self._crowded(call)) is not None:
                return crowded
            else:
                cells, now_ns = start, call.at_ns
            fact = sure if plain else self.begun(call, role)
            if begins and fails(cells, fact, now_ns):
                return self._fails(call, cells)
            if not ending:
                return None
            after = self._program.fold(cells, fact, now_ns, "")[0] if begins else cells
            if fails(after, self.fact(call, foreseen(call.estimate, now_ns), ending), now_ns):
                return self._fails(call, cells)
            return None

        return check

    def admitted(self, call: Call, role: Role, effect: str) -> None:
        if role.at_intent:
            course = self.monitor(call)
            course.add(effect, self.begun(call, role), max(call.at_ns, course.now_ns), is_open=True)

    def ended(self, call: Call, role: Role, effect: str, end: End) -> Breach | None:
        there = role.ending(end)
        if not role.at_intent and not there:
            return None
        course = self.monitor(call)
        course.now_ns = max(end.at_ns, course.now_ns)
        fails = False
        if role.at_intent and (known := course.undecided(effect)) is not None:
            fails = course.decide(known, self.revised(known.fact, call, end, role))
        cells = course.cells
        if there:
            fails = course.add(effect, self.fact(call, end, there), course.now_ns, is_open=False) or fails
        return self._broken(call, self._text, self._program.because(cells)) if fails else None

    def begun(self, call: Call, role: Role) -> Any:
        """What is so, or may be, of ``call`` where it is admitted."""
        bits = role.sure
        for bit, probe in role.asked:
            if probe.holds(call, None):
                bits |= bit
        return bits

    def fact(self, call: Call, end: End | None, there: Iterable[tuple[int, Probe]]) -> Any:
        """What is so of ``call``: a bit for each event."""
        bits = 0
        for bit, probe in there:
            if probe.holds(call, end):
                bits |= bit
        return bits

    def revised(self, fact: Any, call: Call, end: End, role: Role) -> Any:
        """What turns out to be so. An attempt that counts for was judged when it began."""
        for bit, probe in role.at_intent:
            if probe.against:
                fact = fact | bit if probe.holds(call, end) else fact & ~bit
        return fact

    def _fails(self, call: Call, cells: Cells) -> Breach:
        because = self._program.because(cells)
        after = f", and {', '.join(because)} happened, or may have" if because else ""
        return self._refusal(call, after + self._what_helps(), because)

    def _what_helps(self) -> str:
        """What would let it through, as far as the property says that itself."""
        found = self.envelope.property
        for word, helps in ((" unless ", "it is allowed again after"), (" only after ", "it is allowed after")):
            if word in found and not found.startswith("every"):
                return f"; {helps} `{found.partition(word)[2].strip()}`"
        return "" if "<=" in found or " within " in found else "; waiting does not help"


class FormulaWatch(CourseWatch):
    """Watches that a formula is never true."""

    def __init__(self, envelope: SafetyEnvelope, formula: Formula) -> None:
        program = FormulaProgram(formula)
        super().__init__(envelope, program.probes, program)


class RegretWatch(CourseWatch):
    """Watches how much was lost beside the best so far."""

    _in_bits = False

    def __init__(self, envelope: SafetyEnvelope, found: Regret) -> None:
        super().__init__(envelope, [Probe(found.event, against=True)], RegretProgram(found.most, found.expecting, lowest=found.lowest))
        self._look = look_up(found.term)
        self._afterwards = isinstance(found.term, Path) and found.term.parts[0] == "value"

    def fact(self, call: Call, end: End | None, there: Iterable[tuple[int, Probe]]) -> Any:
        if not any(probe.holds(call, end) for _, probe in there):
            return None
        if end is None and self._afterwards:
            return "?"
        found = self._look(call, end)
        if type(found) is not int and type(found) is not float:
            return math.inf
        try:
            return float(found) if math.isfinite(found) else math.inf
        except OverflowError:
            return math.inf

    def begun(self, call: Call, role: Role) -> Any:
        return self.fact(call, None, role.at_intent)

    def revised(self, fact: Any, call: Call, end: End, role: Role) -> Any:
        return self.fact(call, end, role.at_intent)

    def _what_helps(self) -> str:
        return ", and this may pass it; waiting does not help"


class ResponseWatch(CourseWatch):
    """Watches that what is asked for comes in time."""

    def __init__(self, envelope: SafetyEnvelope, found: Response) -> None:
        program = ResponseProgram()
        super().__init__(envelope, [Probe(found.trigger, against=True), Probe(found.answer, against=False)], program)
        self._responses = program
        self._within_ns = found.within_ns
        self.stops_all = found.stop
        self._late: list[Breach] = []
        self._soonest_ns: int | None = None
        """No deadline passes before this; None: there is none."""

    def checker(self, role: Role) -> Check | None:
        answers = [one[1] for one in (*role.at_intent, *role.at_end) if one[0] == ANSWER]

        def check(call: Call) -> Breach | None:
            course = self.monitors.get(self.scope(call))
            if course is None:
                return self._crowded(call) if role.at_intent or role.at_end else None
            waits = self._responses.waits(course.cells)
            if not self.stops_all or waits is None or max(call.at_ns, course.now_ns) <= waits[0] + self._within_ns:
                return None
            for probe in answers:
                if probe.holds(call, None if probe.at_intent else foreseen(call.estimate, call.at_ns)):
                    return None
            return self._refusal(call, f", and {waits[1]} waits for its answer; only that is let through now", (waits[1],))

        return check

    def admitted(self, call: Call, role: Role, effect: str) -> None:
        if role.at_intent:
            self._look_at(self.monitor(call), call.at_ns)
            super().admitted(call, role, effect)
            self._expect(self.monitor(call))

    def ended(self, call: Call, role: Role, effect: str, end: End) -> Breach | None:
        if role.at_intent or role.at_end:
            self._look_at(self.monitor(call), end.at_ns)
            super().ended(call, role, effect, end)
            self._expect(self.monitor(call))
        return None

    def overdue(self, now_ns: int) -> list[Breach]:
        """Answers that did not come in time, each once."""
        if self._soonest_ns is not None and now_ns > self._soonest_ns:
            self._soonest_ns = None
            for course in self.monitors.values():
                self._look_at(course, now_ns)
                self._expect(course)
        late, self._late = self._late, []
        return late

    def unanswered(self, course: Course) -> Breach | None:
        """What is wrong if nothing more happens there."""
        waits = self._waits(course)
        if waits is None:
            return None
        words = f"envelope `{self.envelope.name}`: {waits[1]} got no answer before all that could answer ended: {self._text}"
        return self._breach(words, (waits[1],))

    def recall(self, kept: dict[str, KeptWatch]) -> None:
        super().recall(kept)
        for course in self.monitors.values():
            self._expect(course)

    def _waits(self, course: Course) -> tuple[int, str] | None:
        """The oldest trigger without an answer that was not told yet."""
        waits = self._responses.waits(course.cells)
        return None if waits is None or waits[1] == course.reported else waits

    def _expect(self, course: Course) -> None:
        waits = self._waits(course)
        if waits is not None:
            deadline_ns = waits[0] + self._within_ns
            self._soonest_ns = deadline_ns if self._soonest_ns is None else min(deadline_ns, self._soonest_ns)

    def _look_at(self, course: Course, now_ns: int) -> None:
        waits = self._waits(course)
        if waits is None or max(now_ns, course.now_ns) <= waits[0] + self._within_ns:
            return
        course.reported = waits[1]
        words = f"envelope `{self.envelope.name}`: {waits[1]} got no answer within {spell(self._within_ns)}: {self._text}"
        self._late.append(self._breach(words, (waits[1],)))
