"""A decision: what the rules that cover one tool make of one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from bailiwick.charter.cedar import Answered, Asked, Conditions
from bailiwick.charter.composition import Entry, Role
from bailiwick.charter.facts import Lens, decimals_of, has_fraction, mismatches, read_as, told, typed
from bailiwick.charter.lookalikes import fold, plain
from bailiwick.charter.records import Answer, Approval
from bailiwick.charter.screening import Screen, nothing_holds, screen
from bailiwick.charter.terms import Path, in_decimals, with_folded_texts
from bailiwick.effects import Call
from bailiwick.errors import BadInput

TOO_MANY_CONFLICTS = 16
"""More permissions that disagree with a prohibition are not listed."""


class Decision(NamedTuple):
    """What a charter says of a call."""

    answer: Answer
    rule: str
    """The id of the rule that made it say so: ``deny 2``, ``site.approval 1``, a name; empty where nothing allows it, or none is needed."""
    reason: str
    """In words for whoever asked."""
    approvals: tuple[Approval, ...] = ()
    """What must be agreed to first; all of them."""
    conflicts: tuple[str, ...] = ()
    """Ids of the permissions that say otherwise. Deny won."""


USUAL = 256
"""So many sets of permissions that held together are remembered."""

DENIED = Decision(Answer.DENY, "", "no rule of the charter allows it")
_STAYS_INSIDE = Decision(Answer.ALLOW, "", "nothing forbids it")
_STRICT = {Answer.ALLOW: 0, Answer.ASK: 1, Answer.DENY: 2}


class Held(NamedTuple):
    """Which conditions hold for a call, by index of their entries."""

    permits: frozenset[int] = frozenset()
    forbids: tuple[int, ...] = ()
    asks: tuple[int, ...] = ()
    faults: Mapping[int, str] = {}


_NOTHING = Held()


class Shape:
    """All calls of one tool with one effect class: the rules that cover them, and as much of the answer as depends on nothing else."""

    def __init__(self, entries: Iterable[Entry], layers: int, *, outside: bool, screened: bool = True) -> None:
        self._screened = screened
        self._entries = {entry.number: entry for entry in entries}
        self._conditional = [entry for entry in self._entries.values() if entry.condition is not None]
        self._plain = [entry for entry in self._entries.values() if entry.condition is None]
        self._layers = layers if outside else 0
        self._granted = {entry.layer for entry in self._plain if entry.permits}
        missing = set(range(self._layers)) - self._granted
        possible = {entry.layer for entry in self._conditional if entry.permits}
        # What a layer allows without conditions needs no condition asked; what it cannot allow needs none at all.
        self._asked = [entry for entry in self._conditional if not entry.permits or entry.layer in missing]
        self.lens = Lens(self._asked)
        self._always, self._able = decimals_of(self._asked)
        self._ascii = all(plain(entry.condition) for entry in self._asked)
        self._typed = typed(self._asked)
        self._granting: dict[frozenset[int], Decision] = {}
        self._asks_permissions = any(entry.permits for entry in self._asked)
        self._screens: dict[bool, tuple[Screen | None, ...]] = {}
        self._sets: dict[tuple[frozenset[Path], bool, bool], Conditions] = {}
        certain = not missing <= possible or any(entry.role is Role.DENY for entry in self._plain) or not self._asked
        self.constant = self._concluded(Held()) if certain else None

    def decide(self, call: Call, facts: dict[str, Any]) -> Decision:
        """What the rules make of a call of which ``facts`` are what they look at. The stricter of what is said of it as it stands, and
        of how it may be misread."""
        decision = self._decide(call, facts, misread=False)
        if decision.answer is Answer.DENY or (self._ascii and plain(facts)):
            return decision
        other = self._decide(call, read_as(facts), misread=True)
        if _STRICT[other.answer] <= _STRICT[decision.answer]:
            return decision
        return other._replace(reason=f"{other.reason}; letters in it look like others, and it was judged by what they look like")

    def _decide(self, call: Call, facts: dict[str, Any], *, misread: bool) -> Decision:
        held = self._judged(call, facts, misread=misread)
        if isinstance(held, str):
            return DENIED._replace(reason=f"a rule cannot be evaluated: {held}")
        if held.forbids or held.asks or held.faults:
            return self._concluded(held)
        # Nothing forbids, nothing asks: then the answer depends on which permissions hold, and nearly always they are the same.
        usual = self._granting.get(held.permits)
        if usual is None:
            if len(self._granting) >= USUAL:
                self._granting.clear()
            usual = self._granting[held.permits] = self._concluded(held)
        return usual

    def _judged(self, call: Call, facts: dict[str, Any], *, misread: bool) -> Held | str:
        """Which conditions hold; or why none can be asked."""
        decimals = self._able if has_fraction(facts, self._able) else self._always
        faults = mismatches(self._typed, facts, decimals)
        if any(not self._entries[index].permits for index in faults):
            return Held(faults=faults)
        try:
            context = told(facts, decimals)
            action = "plan" if call.planning else "execute"
            spared = self._spared(facts, misread)
            if spared and not self._asks_permissions:
                return _NOTHING
            answered = self._conditions(decimals, misread, permits_only=spared).ask(
                call.agent, action, fold(call.tool) if misread else call.tool, context
            )
        except BadInput as error:
            return error.message
        return _held(answered, faults)

    def holds(self, call: Call) -> bool | None:
        """Whether the condition of its one rule holds for ``call``; None if that cannot be evaluated."""
        facts = self.lens.look(call)
        held = self._judged(call, facts, misread=False)
        return None if isinstance(held, str) or held.faults else bool(held.permits or held.forbids or held.asks)

    def _spared(self, facts: dict[str, Any], misread: bool) -> bool:
        """Whether it is plain that no prohibition and no approval applies; see `screening`."""
        screens = self._screens.get(misread)
        if screens is None:
            conditions = [entry.condition for entry in self._asked if not entry.permits and entry.condition is not None]
            made = [screen(with_folded_texts(condition) if misread else condition) for condition in conditions]
            screens = self._screens[misread] = tuple(made) if self._screened else (None,)
        return None not in screens and nothing_holds(cast("tuple[Screen, ...]", screens), facts)

    def _conditions(self, decimals: frozenset[Path], misread: bool, *, permits_only: bool) -> Conditions:
        found = self._sets.get((decimals, misread, permits_only))
        if found is None:
            asked = [
                Asked(str(entry.number), entry.permits, entry.role is Role.APPROVAL, in_decimals(entry.condition, decimals))
                for entry in self._asked
                if entry.condition is not None and (entry.permits or not permits_only)
            ]
            found = self._sets[decimals, misread, permits_only] = Conditions(asked).folded() if misread else Conditions(asked)
        return found

    def _concluded(self, held: Held) -> Decision:
        """The answer, once it is known which conditions hold."""
        for index, why in held.faults.items():
            if index < 0 or not self._entries[index].permits:
                return self._fault(index, why)
        granting = [
            entry for entry in self._entries.values() if entry.permits and (entry.condition is None or entry.number in held.permits)
        ]
        denying = [entry for entry in self._entries.values() if self._denies(entry, held)]
        if denying:
            first = denying[0]
            conflicts = tuple(entry.id for entry in granting[:TOO_MANY_CONFLICTS])
            return Decision(Answer.DENY, first.id, first.reason or f"the charter forbids {_named(first)}", conflicts=conflicts)
        if set(range(self._layers)) - {entry.layer for entry in granting}:
            why = next(
                (f"{DENIED.reason}: {self._entries[index].id} cannot be evaluated, {text}" for index, text in held.faults.items()), ""
            )
            return DENIED._replace(reason=why) if why else DENIED
        asking = [
            entry
            for entry in self._entries.values()
            if entry.number in held.asks or (entry.role is Role.APPROVAL and entry.condition is None)
        ]
        if asking:
            approvals = tuple(entry.approval for entry in asking if entry.approval is not None)
            return Decision(Answer.ASK, asking[0].id, asking[0].reason or f"the charter wants {_named(asking[0])} approved", approvals)
        if not self._layers:
            return _STAYS_INSIDE
        innermost = next(entry for entry in granting if entry.layer == self._layers - 1)
        return Decision(Answer.ALLOW, innermost.id, innermost.reason or f"the charter allows {_named(innermost)}")

    def _denies(self, entry: Entry, held: Held) -> bool:
        return entry.number in held.forbids or (entry.role is Role.DENY and entry.condition is None)

    def _fault(self, index: int, why: str) -> Decision:
        """A prohibition that cannot be evaluated denies."""
        entry = self._entries.get(index)
        said = f"{entry.id if entry is not None else 'a rule'} cannot be evaluated, so it denies: {why}"
        return Decision(Answer.DENY, entry.id if entry is not None else "", said)


class Probe:
    """One rule by itself, to try calls on."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        role = Role.DENY if entry.permits else entry.role  # So that it is asked for itself, and not for what else is allowed.
        self._shape = Shape([entry._replace(role=role)], 0, outside=False)

    def holds(self, call: Call) -> bool | None:
        """Whether the rule covers ``call`` and its condition is true of it; None if the condition cannot be evaluated."""
        if not self._entry.covers(call.tool, call.effect, outside=True):
            return False
        return True if self._entry.condition is None else self._shape.holds(call)


def _held(answered: Answered, faults: dict[int, str]) -> Held:
    if not faults and not answered.faults and not answered.forbids and not answered.asks:
        return Held(frozenset(map(int, answered.permits)))
    found = {**faults, **{int(key) if key.isdigit() else -1: why for key, why in answered.faults}}
    permits = frozenset(map(int, answered.permits)) - found.keys()
    return Held(permits, tuple(map(int, answered.forbids)), tuple(map(int, answered.asks)), found)


def _named(entry: Entry) -> str:
    return str(entry.rule) if entry.rule is not None else "it"
