"""Monitors of what depends on order: formulas, answers to triggers, regret.

A `Program` folds one event into a state of fixed size. Some events may yet turn out not to have happened, because the effect is in
flight: the state before the oldest of those is kept, and the events since, so that the state can be computed again without it. At
most `UNDECIDED` events are kept; of more, the oldest count as they are for good, which for what is in flight is against.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from bailiwick.charter.envelopes.probes import Probe
from bailiwick.charter.envelopes.records import KeptStep, KeptWatch
from bailiwick.charter.envelopes.syntax import And, Event, Formula, Not, Once, Or, Previously, Since
from bailiwick.charter.envelopes.tallies import FORGIVEN, UNDECIDED

Cells = list[Any]
"""A state: for each operator what it remembers."""
Node = Callable[[Cells, Cells, int, int, str], bool]
"""Whether it is true at an event, given the state before; it writes its part of the state after. Then the event's bits, time and id."""


Peek = Callable[[Cells, int, int], bool]
"""Whether it is true at an event that is only thought of: given the state before, the event's bits and its time. It writes nothing."""


class Program(ABC):
    """How events are folded. It holds no state."""

    def __init__(self) -> None:
        self.start: Cells = []

    @abstractmethod
    def fold(self, cells: Cells, fact: Any, at_ns: int, effect: str) -> tuple[Cells, bool]:
        """The state after an event, and whether the property fails at it. Leaves ``cells`` as it is."""

    def fails(self, cells: Cells, fact: Any, at_ns: int) -> bool:
        """Whether the property would fail at an event, as `fold` says, sooner."""
        return self.fold(cells, fact, at_ns, "")[1]

    def because(self, cells: Cells) -> tuple[str, ...]:
        """The effects in ``cells`` for which a property that fails now fails."""
        return ()


class FormulaProgram(Program):
    """Fails where the formula is true. A fact is a number whose bit *i* says whether event *i* is there."""

    def __init__(self, formula: Formula) -> None:
        super().__init__()
        self.probes: list[Probe] = []
        self._against: list[int] = []
        """Cells of operators that make the property fail by being true."""
        self._node, self._peek = self._compile(formula, against=True)

    def fold(self, cells: Cells, fact: Any, at_ns: int, effect: str) -> tuple[Cells, bool]:
        after = cells.copy()
        return after, self._node(cells, after, fact, at_ns, effect)

    def fails(self, cells: Cells, fact: Any, at_ns: int) -> bool:
        return self._peek(cells, fact, at_ns)

    def because(self, cells: Cells) -> tuple[str, ...]:
        return tuple({cells[number][1]: None for number in self._against if cells[number] is not None and cells[number][1]})

    def _cell(self, *, against: bool) -> int:
        self.start.append(None)
        if against:
            self._against.append(len(self.start) - 1)
        return len(self.start) - 1

    def _compile(self, formula: Formula, *, against: bool) -> tuple[Node, Peek]:
        match formula:
            case Event():
                return self._event(formula, against)
            case Not():
                node, peek = self._compile(formula.part, against=not against)
                return (
                    lambda old, new, bits, at_ns, effect: not node(old, new, bits, at_ns, effect),
                    lambda old, bits, at_ns: not peek(old, bits, at_ns),
                )
            case And() | Or():
                return _joined([self._compile(one, against=against) for one in formula.parts], every=isinstance(formula, And))
            case Once():
                part = self._compile(formula.part, against=against)
                return _once(*part, self._cell(against=against), formula.within_ns, before=formula.before)
            case Previously():
                node, _ = self._compile(formula.part, against=against)
                return _previously(node, self._cell(against=against))
            case Since():
                left, right = self._compile(formula.left, against=against), self._compile(formula.right, against=against)
                return _since(left, right, self._cell(against=against), formula.within_ns, before=formula.before)

    def _event(self, event: Event, against: bool) -> tuple[Node, Peek]:
        bit = 1 << len(self.probes)
        self.probes.append(Probe(event, against=against))
        return lambda old, new, bits, at_ns, effect: bits & bit != 0, lambda old, bits, at_ns: bits & bit != 0


def _joined(parts: list[tuple[Node, Peek]], *, every: bool) -> tuple[Node, Peek]:
    """Each node is asked, whatever the others say: it has a state to bring forward. A peek has none."""
    nodes = [node for node, _ in parts]
    decide = all if every else any

    def node(old: Cells, new: Cells, bits: int, at_ns: int, effect: str) -> bool:
        return decide([one(old, new, bits, at_ns, effect) for one in nodes])

    (_, first), *rest = parts
    second = rest[0][1] if len(rest) == 1 else _joined(rest, every=every)[1]
    if every:
        return node, lambda old, bits, at_ns: first(old, bits, at_ns) and second(old, bits, at_ns)
    return node, lambda old, bits, at_ns: first(old, bits, at_ns) or second(old, bits, at_ns)


def _once(part: Node, peek_part: Peek, cell: int, within_ns: int | None, *, before: bool) -> tuple[Node, Peek]:
    def known(old: Cells, at_ns: int) -> bool:
        told = old[cell]
        return told is not None and (within_ns is None or at_ns - told[0] <= within_ns)

    def node(old: Cells, new: Cells, bits: int, at_ns: int, effect: str) -> bool:
        if part(old, new, bits, at_ns, effect):
            new[cell] = (at_ns, effect)
            if not before:
                return True
        return known(old, at_ns)

    if before:
        return node, lambda old, bits, at_ns: known(old, at_ns)
    return node, lambda old, bits, at_ns: known(old, at_ns) or peek_part(old, bits, at_ns)


def _previously(part: Node, cell: int) -> tuple[Node, Peek]:
    def node(old: Cells, new: Cells, bits: int, at_ns: int, effect: str) -> bool:
        new[cell] = (at_ns, effect) if part(old, new, bits, at_ns, effect) else None
        return old[cell] is not None

    return node, lambda old, bits, at_ns: old[cell] is not None


def _since(left: tuple[Node, Peek], right: tuple[Node, Peek], cell: int, within_ns: int | None, *, before: bool) -> tuple[Node, Peek]:
    left_node, left_peek = left
    right_node, right_peek = right

    def known(told: tuple[int, str] | None, at_ns: int) -> bool:
        return told is not None and (within_ns is None or at_ns - told[0] <= within_ns)

    def node(old: Cells, new: Cells, bits: int, at_ns: int, effect: str) -> bool:
        goes_on = left_node(old, new, bits, at_ns, effect)
        begins = right_node(old, new, bits, at_ns, effect)
        new[cell] = (at_ns, effect) if begins else old[cell] if goes_on else None
        return known(old[cell] if before else new[cell], at_ns)

    if before:
        return node, lambda old, bits, at_ns: known(old[cell], at_ns)
    return node, lambda old, bits, at_ns: right_peek(old, bits, at_ns) or (known(old[cell], at_ns) and left_peek(old, bits, at_ns))


TRIGGER, ANSWER = 1, 2


class ResponseProgram(Program):
    """Remembers the oldest trigger that was not answered. It fails by time alone."""

    def __init__(self) -> None:
        super().__init__()
        self.start = [None]

    def fold(self, cells: Cells, fact: Any, at_ns: int, effect: str) -> tuple[Cells, bool]:
        waits = None if fact & ANSWER else cells[0]
        return [waits or ((at_ns, effect) if fact & TRIGGER and not fact & ANSWER else None)], False

    def waits(self, cells: Cells) -> tuple[int, str] | None:
        """The oldest trigger without an answer: when, and which effect."""
        return cells[0]


class RegretProgram(Program):
    """A fact is what the event was worth: None where it is no event, ``?`` where it is not known yet, infinite where it cannot be told."""

    def __init__(self, most: float, expecting: float, *, lowest: bool) -> None:
        super().__init__()
        self.start = [None, 0.0]
        self._most = most * FORGIVEN
        self._expecting = expecting
        self._sign = -1.0 if lowest else 1.0

    def fold(self, cells: Cells, fact: Any, at_ns: int, effect: str) -> tuple[Cells, bool]:
        best, total = cells
        if fact is None:
            return cells, False
        if fact == "?":
            total += self._expecting
        elif math.isinf(fact):
            total = math.inf
        else:
            worth = fact * self._sign
            best = worth if best is None or worth > best else best
            total += best - worth
        return [best, total], total > self._most


class Step:
    """An event in its place."""

    __slots__ = ("at_ns", "broken", "fact", "id", "open")

    def __init__(self, effect: str, fact: Any, at_ns: int, open: bool, broken: bool) -> None:  # noqa: A002 -- as the record calls it
        self.id = effect
        self.fact = fact
        self.at_ns = at_ns
        self.open = open
        self.broken = broken


class Course:
    """What happened in one run, in one agent, or in all."""

    __slots__ = ("_base", "_open", "_program", "_steps", "cells", "now_ns", "reported")

    def __init__(self, program: Program) -> None:
        self._program = program
        self._base: Cells = program.start
        self._steps: deque[Step] = deque()
        self._open: dict[str, Step] = {}
        self.cells: Cells = program.start
        self.now_ns = 0
        self.reported = ""
        """The trigger that was said to be overdue."""

    def add(self, effect: str, fact: Any, at_ns: int, *, is_open: bool) -> bool:
        """An event comes last; open: it may turn out otherwise. Says whether the property fails at it."""
        self.now_ns = at_ns
        self.cells, broken = self._program.fold(self.cells, fact, at_ns, effect)
        if is_open or self._open:
            step = Step(effect, fact, at_ns, is_open, broken)
            self._steps.append(step)
            if is_open:
                self._open[effect] = step
            self._settle()
        else:
            self._base = self.cells
        return broken

    def undecided(self, effect: str) -> Step | None:
        """The event of an effect in flight; None if it is decided, or none."""
        return self._open.get(effect)

    def decide(self, step: Step, fact: Any) -> bool:
        """An open event turns out to be ``fact``. Says whether the property fails anywhere because of that."""
        del self._open[step.id]
        step.open = False
        fails = False
        if fact != step.fact:
            step.fact = fact
            self.cells = self._base
            for one in self._steps:
                self.cells, broken = self._program.fold(self.cells, one.fact, one.at_ns, one.id)
                fails = fails or (broken and not one.broken)
                one.broken = broken
        self._settle()
        return fails

    def _settle(self) -> None:
        """Let go of what cannot turn out otherwise."""
        if not self._open:
            self._base = self.cells
            self._steps.clear()
            return
        steps = self._steps
        while steps and (not steps[0].open or len(steps) > UNDECIDED):
            step = steps.popleft()
            self._open.pop(step.id, None)
            self._base, _ = self._program.fold(self._base, step.fact, step.at_ns, step.id)

    def kept(self) -> KeptWatch:
        """To be sealed."""
        steps = (KeptStep(id=step.id, fact=step.fact, at_ns=step.at_ns, open=step.open, broken=step.broken) for step in self._steps)
        return KeptWatch(now_ns=self.now_ns, cells=tuple(self._base), steps=tuple(steps), reported=self.reported)

    def recall(self, kept: KeptWatch) -> None:
        """Go on from what was sealed."""
        self.now_ns, self.reported = kept.now_ns, kept.reported
        self._base = self.cells = [tuple(cast("list[Any]", cell)) if isinstance(cell, list) else cell for cell in kept.cells]
        for known in kept.steps:
            step = Step(known.id, known.fact, known.at_ns, known.open, known.broken)
            self.cells, _ = self._program.fold(self.cells, step.fact, step.at_ns, step.id)
            self._steps.append(step)
            if step.open:
                self._open[step.id] = step
