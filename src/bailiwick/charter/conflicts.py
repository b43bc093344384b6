"""What in a charter disagrees, found before anything runs, each with a call that shows it.

Every witness is really decided by the compiled charter, so what is reported is so. Witnesses are looked for among calls made of what the
rules themselves name, so what is not reported may still be; `Findings.tried` says how many calls were tried.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from bailiwick.charter.charter import Compiled
from bailiwick.charter.composition import Entry, Role
from bailiwick.charter.deciding import Probe
from bailiwick.charter.records import Answer, Goal
from bailiwick.charter.schema import Known, call_of, known_tool
from bailiwick.charter.witnesses import candidates, names_of, shown
from bailiwick.effects import FREE, Call, Cost, EffectClass, Tool

PAIRS = 20_000
"""So many pairs of rules are looked at; in a larger charter those that cover a tool in common by its name."""


class Severity(enum.StrEnum):
    """What is wrong."""

    CONFLICT = "conflict"
    """One rule allows and another forbids, and neither is an exception from the other. Deny wins."""
    SHADOWED = "shadowed"
    """A rule that another leaves nothing to decide."""
    UNREACHABLE = "unreachable"
    """A goal needs what is forbidden."""
    BUDGET = "budget"
    """A budget that cannot be met."""
    NOTE = "note"
    """A general prohibition forbids some of what a rule allows by name. That is what prohibitions are for; it is worth knowing."""


class Finding(NamedTuple):
    """One thing that disagrees."""

    severity: Severity
    rules: tuple[str, ...]
    what: str
    witness: Call | None
    """A call that shows it; None where it is about numbers."""

    def __str__(self) -> str:
        """In one line."""
        shows = f": {shown(self.witness)}" if self.witness is not None else ""
        return f"{self.severity}: {self.what}{shows}"


class Findings(NamedTuple):
    """What was found, and among how many calls."""

    found: tuple[Finding, ...]
    tried: int
    all_pairs: bool
    """Whether every pair of rules was looked at."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """All but notes."""
        return tuple(finding for finding in self.found if finding.severity is not Severity.NOTE)


def find_conflicts(charter: Compiled, *, tools: Iterable[Tool] | None = None) -> Findings:
    """What in ``charter`` disagrees. With ``tools``, the only calls tried are of those, and budgets are held against their estimates."""
    search = _Search(charter, None if tools is None else [known_tool(tool) for tool in tools])
    found = [*search.pairs(), *search.goals(), *search.budgets()]
    return Findings(tuple(found), search.tried, search.all_pairs)


class _Search:
    def __init__(self, charter: Compiled, tools: list[Known] | None) -> None:
        self._charter = charter
        self._tools = tools
        self._probes: dict[int, Probe] = {}
        self.tried = 0
        rules = len(charter.entries)
        self.all_pairs = rules * (rules - 1) // 2 <= PAIRS

    def pairs(self) -> Iterator[Finding]:
        """Rules of which one forbids what the other allows, or that leave one another nothing."""
        for one, other in self._pairs():
            if one.role is Role.ALLOW and other.role is Role.DENY:
                finding = self._disagreeing(one, other)
            elif one.role is Role.DENY and other.role is Role.ALLOW:
                finding = self._disagreeing(other, one)
            else:
                finding = self._redundant(one, other) or self._redundant(other, one)
            if finding is not None:
                yield finding

    def _pairs(self) -> Iterator[tuple[Entry, Entry]]:
        entries = self._charter.entries
        if self.all_pairs:
            yield from ((one, other) for at, one in enumerate(entries) for other in entries[at + 1 :])
            return
        seen: set[tuple[int, int]] = set()
        for one in entries:
            for name in names_of([one])[:1]:
                for other in self._charter.covering(name, one.effect or EffectClass.IRREVERSIBLE)[: PAIRS // 100]:
                    pair = (min(one.number, other.number), max(one.number, other.number))
                    if one.number != other.number and pair not in seen and len(seen) < PAIRS:
                        seen.add(pair)
                        yield entries[pair[0]], entries[pair[1]]

    def _disagreeing(self, allow: Entry, deny: Entry) -> Finding | None:
        if allow.layer != deny.layer or (_narrower(deny, allow) and not _same(deny, allow)) or not _may_meet(allow, deny):
            return None  # A layer narrows another, and an exception its rule: that is what they are for.
        witness = self._both(allow, deny)
        if witness is None:
            return None
        if deny.condition is None and _narrower(allow, deny):
            return Finding(
                Severity.SHADOWED, (allow.id, deny.id), f"{allow.id} allows nothing, because {deny.id} forbids all of it", witness
            )
        if _narrower(allow, deny) and deny.condition is not None and not _same(allow, deny):
            return Finding(Severity.NOTE, (allow.id, deny.id), f"{deny.id} forbids some of what {allow.id} allows by name", witness)
        if deny.condition is not None and _same(allow, deny) and not (_looks_at(allow) & _looks_at(deny)):
            return None  # What the one looks at, the other does not: an exception by another measure.
        return Finding(Severity.CONFLICT, (allow.id, deny.id), f"{allow.id} allows what {deny.id} forbids; it is denied", witness)

    def _redundant(self, one: Entry, other: Entry) -> Finding | None:
        """``one``, if ``other`` leaves it nothing to decide."""
        stronger = other.role is one.role or (other.role is Role.DENY and one.role is Role.APPROVAL)
        if not stronger or one.layer != other.layer or other.condition is not None or other.cedar or not _narrower(one, other):
            return None
        if one.role is Role.APPROVAL and other.role is Role.APPROVAL:
            return None  # Approvals add up.
        if _same(one, other) and one.condition is None and one.number < other.number:
            return None  # Of two that say the same, the second is the one too many.
        witness = self._both(one, other)
        what = f"{one.id} decides nothing, because {other.id} {'allows' if other.permits else 'forbids'} all that it speaks of"
        return None if witness is None else Finding(Severity.SHADOWED, (one.id, other.id), what, witness)

    def _both(self, one: Entry, other: Entry) -> Call | None:
        first, second = (self._probes.setdefault(entry.number, Probe(entry)) for entry in (one, other))
        for call in candidates([one, other], self._tools):
            self.tried += 1
            if first.holds(call) is True and second.holds(call) is True:
                return call
        return None

    def goals(self) -> Iterator[Finding]:
        """Goals that need what is forbidden."""
        for goal in self._charter.goals:
            for need in goal.needs:
                call = call_of(need.tool, need.effect, need.arguments, need.labels)
                self.tried += 1
                decision = self._charter.decide(call)
                if decision.answer is Answer.DENY:
                    yield self._unreachable(goal, decision.rule, decision.reason, call)
            for tool in goal.calls:
                yield from self._no_way(goal, tool)

    def _no_way(self, goal: Goal, tool: str) -> Iterator[Finding]:
        """Unless some call of the tool is allowed."""
        known = [one for one in self._tools or () if one.name == tool]
        denied: tuple[Call, str, str] | None = None
        for effect in [known[0].effect] if known else list(EffectClass):
            covering = self._charter.covering(tool, effect)
            calls = [call._replace(tool=tool, effect=effect) for call in candidates(covering, known or None)]
            for call in [*calls, call_of(tool, effect, {})]:
                self.tried += 1
                decision = self._charter.decide(call)
                if decision.answer is not Answer.DENY:
                    return
                if denied is None or (decision.rule and not denied[1]):
                    denied = (call, decision.rule, decision.reason)
        if denied is not None:
            yield self._unreachable(goal, denied[1], denied[2], denied[0])

    def _unreachable(self, goal: Goal, rule: str, reason: str, call: Call) -> Finding:
        because = f"{rule}, {reason}" if rule else reason
        return Finding(Severity.UNREACHABLE, (rule,) if rule else (), f"goal {goal.name} cannot be reached: {because}", call)

    def budgets(self) -> Iterator[Finding]:
        """Numbers that do not go together."""
        goals = self._charter.goals
        for goal in goals:
            yield from self._too_little(f"goal {goal.name}", goal.calls)
        together: dict[str, int] = {}
        for goal in goals:
            for tool, times in goal.calls.items():
                together[tool] = together.get(tool, 0) + times
        if len(goals) > 1 and not any(True for goal in goals for _ in self._too_little("", goal.calls)):
            yield from self._too_little("all goals together", together)
        for tool in self._tools or ():
            for name, wanted, limit in self._beyond(tool.estimate):
                if not any(tool.name in goal.calls for goal in goals):
                    yield _budget(f"`{tool.name}` can never be called: one call may cost {wanted:g} {name}, and the budget is {limit:g}")

    def _too_little(self, who: str, calls: Mapping[str, int]) -> Iterator[Finding]:
        budget = self._charter.budget
        for pattern, limit in budget.calls.items():
            wanted = sum(times for tool, times in calls.items() if fnmatchcase(tool, pattern))
            if wanted > limit:
                yield _budget(f"{who} needs {wanted} calls of `{pattern}`, and the budget is {limit}")
        known = {tool.name: tool for tool in self._tools or ()}
        cost = FREE
        for tool, times in calls.items():
            cost += _times(known[tool].estimate, times) if tool in known else FREE
        for name, wanted, limit in self._beyond(cost):
            yield _budget(f"{who} may cost {wanted:g} {name}, and the budget is {limit:g}")
        final = sum(times for tool, times in calls.items() if tool in known and known[tool].effect is EffectClass.IRREVERSIBLE)
        limit = getattr(budget, "irreversible", None)
        if limit is not None and final > limit:
            yield _budget(f"{who} needs {final} effects that cannot be taken back, and the budget is {limit}")

    def _beyond(self, cost: Cost) -> Iterator[tuple[str, float, float]]:
        budget = self._charter.budget
        limits = {name: getattr(budget, name, None) for name in Cost.__struct_fields__}
        hours = getattr(budget, "node_hours", None)
        limits["node_s"] = hours * 3_600 if hours is not None else None
        for name, limit in limits.items():
            wanted = getattr(cost, name)
            if limit is not None and wanted > limit and math.isfinite(wanted):
                yield name, wanted, limit


def _times(cost: Cost, times: int) -> Cost:
    return Cost(**{name: getattr(cost, name) * times for name in Cost.__struct_fields__})


def _budget(what: str) -> Finding:
    return Finding(Severity.BUDGET, (), what, None)


def _narrower(one: Entry, other: Entry) -> bool:
    """Whether ``one`` speaks only of tools of which ``other`` does, conditions aside: its pattern fits the other's, read as a name."""
    if one.pattern != other.pattern:
        return fnmatchcase(one.pattern, other.pattern) and (one.permits is not other.permits or other.effect in (None, one.effect))
    return other.effect in (None, one.effect)


def _looks_at(entry: Entry) -> frozenset[tuple[str, ...]]:
    return entry.terms.reads if entry.terms is not None else frozenset()


def _same(one: Entry, other: Entry) -> bool:
    """Whether both speak of the same tools and classes."""
    return one.pattern == other.pattern and one.effect is other.effect


def _may_meet(one: Entry, other: Entry) -> bool:
    """Whether there may be an effect of the class that both speak of."""
    return one.effect is None or other.effect is None or one.effect is other.effect
