"""Who was asked what, and what they said: the whole of the judgement on approvals, without time passing and without anybody waiting.

A *case* is one effect that waits. It is made of records alone, so that it is the same after a crash, in another process and in the mind of
whoever reads the record later: the newest requests of the effect, and the rulings that count for them. A ruling counts if it is on the
very action that was asked for, under the charter that was in force, for the newest request, in time, and by somebody who may decide and has
not done so yet. Every other ruling changes nothing, also if it stands on the record.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence

from bailiwick import codec
from bailiwick.effects import EffectClass, Intent, Outcome, Planned, Record, Request, Ruling, RulingVerdict
from bailiwick.errors import NotFound, Refused
from bailiwick.gateway.planned import PlanInForce
from bailiwick.gateway.records import Parked
from bailiwick.ids import EffectId, RunId, ask_of, root_key, run_of
from bailiwick.ledger import Entry, Ledger

MOST_AT_ONCE = 20
"""So many effects at most are decided on together: whoever approves more of them at once has not looked."""

NEAR = 1_000
"""Entries that are no further apart are read in one go."""

_MARKS = (b"\xa4type\xa7request", b"\xa4type\xa6ruling")
"""How the encoded bodies of requests and rulings begin to say what they are."""


def action_of(intent: Intent, principal: str, plan: Sequence[Planned] = ()) -> str:
    """SHA-256 in hex over the canonical bytes of exactly what would be done: what acts on what, with which arguments, for whom."""
    exactly = (intent.kind, intent.tool, intent.target, intent.effect, intent.arguments, intent.agent, intent.run, principal, tuple(plan))
    return codec.digest(codec.encode(exactly))


class CaseState(enum.StrEnum):
    """How far a case is."""

    WAITING = "waiting"
    APPROVED = "approved"
    MODIFIED = "modified"
    REJECTED = "rejected"
    TERMINATED = "terminated"


class Case:
    """One effect that waits for people: what they were asked, and the rulings that count."""

    __slots__ = ("requests", "rulings", "seqs", "used")

    def __init__(self, request: Request, seq: int) -> None:
        self.requests = [request]
        self.rulings: list[Ruling] = []
        self.seqs = [seq]
        """Where all that stands on the record."""
        self.used = False
        """Whether the effect was let through on it: once."""

    @property
    def newest(self) -> Request:
        """One of the newest requests. They ask for the same action, of other people."""
        return self.requests[-1]

    @property
    def origin(self) -> str:
        """The hash of the action as the agent asked for it."""
        return self.newest.origin or self.newest.action

    @property
    def state(self) -> CaseState:
        """How far it is. Time does not count: see `expired`."""
        last = self.rulings[-1].verdict if self.rulings else None
        if last is not None and last in _ENDS:
            return _ENDS[last]
        return CaseState.APPROVED if all(len(self.agreed(one)) >= one.need for one in self.requests) else CaseState.WAITING

    @property
    def escalated(self) -> bool:
        """Whether somebody passed it on."""
        return any(ruling.verdict is RulingVerdict.ESCALATE for ruling in self.rulings)

    @property
    def expires_ns(self) -> int:
        """When the first request that does not hold expires; 0: never."""
        return min((one.expires_ns for one in self.requests if one.expires_ns and not one.holds), default=0)

    @property
    def is_whole(self) -> bool:
        """Whether what is shown is what was asked for: False if its arguments were erased, or the record says something else."""
        newest = self.newest
        return action_of(newest.intent, newest.principal, newest.plan) == newest.action

    def expired(self, at_ns: int) -> bool:
        """Whether nobody can agree any more, and what was agreed to is too old to be begun."""
        return 0 < self.expires_ns <= at_ns

    def to_be_asked_again(self, at_ns: int) -> list[Request]:
        """The requests that hold and whose time has passed."""
        return [one for one in self.requests if one.holds and 0 < one.expires_ns <= at_ns and len(self.agreed(one)) < one.need]

    def agreed(self, request: Request) -> tuple[str, ...]:
        """Who agreed, as far as ``request`` wants to know, in order."""
        said = dict.fromkeys(request.agreed)
        for ruling in self.rulings:
            if ruling.verdict is RulingVerdict.APPROVE and self.may_decide(request, ruling.who, ruling.at_ns):
                said[ruling.who] = None
        return tuple(said)

    def may_decide(self, request: Request, who: str, at_ns: int) -> bool:
        """Whether ``who`` is one of those who decide on ``request`` at this moment."""
        if who in request.asked:
            return True
        half_ns = (request.expires_ns + request.at_ns) // 2 if request.expires_ns else 0
        return who in request.escalate_to and (self.escalated or 0 < half_ns <= at_ns)

    def why_not(self, ruling: Ruling, at_ns: int) -> str:
        """Why ``ruling`` does not count if it is made now; empty if it does."""
        newest = self.newest
        if ruling.id != newest.id:
            return f"it is about {ruling.id}"
        if (ruling.number, ruling.charter, ruling.action) != (newest.number, newest.charter, newest.action):
            return "it was asked anew since, or for something else: look at it again"
        if self.used or self.state is not CaseState.WAITING:
            return f"it is {self.state} already"
        if self.expired(at_ns):
            return "its time is over"
        if not ruling.who or ruling.who in (newest.intent.agent, newest.intent.run, newest.intent.target):
            return "who asks cannot decide"
        theirs = [one for one in self.requests if self.may_decide(one, ruling.who, at_ns)]
        if not theirs:
            return f"{ruling.who} may not decide on it{self._later(ruling.who)}; asked are {', '.join(self.everybody())}"
        return self._why_not_this(ruling, theirs)

    def everybody(self) -> list[str]:
        """All who may decide now."""
        also = [who for one in self.requests for who in one.escalate_to] if self.escalated else []
        return list(dict.fromkeys([who for one in self.requests for who in one.asked] + also))

    def _why_not_this(self, ruling: Ruling, theirs: list[Request]) -> str:
        """Why somebody who may decide cannot say just this."""
        match ruling.verdict:
            case RulingVerdict.APPROVE if all(ruling.who in self.agreed(one) for one in theirs):
                return f"{ruling.who} has agreed already, and counts once"
            case RulingVerdict.ESCALATE if self.escalated or not any(one.escalate_to for one in theirs):
                return "it is passed on already" if self.escalated else "the charter names nobody to pass it on to"
            case RulingVerdict.MODIFY if self.newest.plan:
                return "a plan is approved or rejected as it is"
            case RulingVerdict.MODIFY if not ruling.arguments:
                return "it says no other arguments"
            case RulingVerdict.APPROVE | RulingVerdict.REJECT | RulingVerdict.ESCALATE | RulingVerdict.TERMINATE if ruling.arguments:
                return f"to {ruling.verdict} takes no arguments"
            case _:
                return ""

    def _later(self, who: str) -> str:
        return " yet: half of the time must pass, or somebody pass it on" if any(who in one.escalate_to for one in self.requests) else ""


_AGREEING = (RulingVerdict.APPROVE, RulingVerdict.MODIFY)

_ENDS = {
    RulingVerdict.MODIFY: CaseState.MODIFIED,
    RulingVerdict.REJECT: CaseState.REJECTED,
    RulingVerdict.TERMINATE: CaseState.TERMINATED,
}


class Docket:
    """All cases that are open, kept up to date as the record grows: `note` every entry, in order.

    It is a fold: whoever reads the record from its beginning has the same one as who restores it from `state` and reads on from there.
    """

    def __init__(self) -> None:
        self.cases: dict[EffectId, Case] = {}
        self.plans: dict[RunId, list[PlanInForce]] = {}
        self.ended: dict[RunId, str] = {}
        """Runs that a person ended, and the reason."""
        self._by_run: dict[RunId, set[EffectId]] = {}

    @property
    def idle(self) -> bool:
        """Whether no intent and no outcome can change anything here."""
        return not (self.cases or self.plans or self.ended)

    @property
    def is_open(self) -> bool:
        """Whether there is anything in it: if not, intents and outcomes need not be noted."""
        return bool(self.cases or self.plans or self.ended)

    def note(self, seq: int, record: Record) -> None:
        """``record`` stands at ``seq``. Noting it a second time changes nothing."""
        match record:
            case Request():
                self._asked(seq, record)
            case Ruling():
                self._ruled(seq, record)
            case Intent():
                self._begun(record)
            case Outcome():
                self._close(record.id)
                self._over(run_of(record.id))
            case _:
                pass

    def forget(self, root: RunId) -> None:
        """The tree of ``root`` has ended: nobody will go on with it."""
        key = root_key(root)
        for run in [run for run in {*self._by_run, *self.plans, *self.ended} if root_key(run) == key]:
            self._over(run)

    def open_case(self, effect: EffectId) -> Case:
        """The case of ``effect``. Raises `NotFound`."""
        case = self.cases.get(effect)
        if case is None:
            raise NotFound(f"effect {effect} does not wait for anybody; `bailiwick inbox` lists what does", effect=effect)
        return case

    def check(self, ruling: Ruling, at_ns: int) -> Case:
        """The case that ``ruling`` is on. Raises `Refused`, saying why it would not count, or `NotFound`."""
        case = self.open_case(ruling.id)
        if why := case.why_not(ruling, at_ns):
            raise Refused(f"nothing was recorded: {why}", effect=ruling.id, who=ruling.who)
        if ruling.verdict in _AGREEING and not case.is_whole:
            raise Refused("nothing was recorded: what was asked for cannot be read from the record any more", effect=ruling.id)
        return case

    def check_together(self, rulings: Sequence[Ruling], at_ns: int) -> None:
        """Return if all ``rulings`` would count, and may be made at once. Raises `Refused`: then none is to be."""
        if len(rulings) > MOST_AT_ONCE:
            raise Refused(f"nothing was recorded: {len(rulings)} are too many at once; at most {MOST_AT_ONCE} can be looked at")
        if len({ruling.id for ruling in rulings}) < len(rulings):
            raise Refused("nothing was recorded: one effect is named twice")
        for ruling in rulings:
            intent = self.check(ruling, at_ns).newest.intent
            if ruling.verdict in _AGREEING and (intent.effect is EffectClass.IRREVERSIBLE or self.cases[ruling.id].newest.plan):
                raise Refused(
                    f"nothing was recorded: `{intent.tool}` ({ruling.id}) cannot be taken back; approve it by itself",
                    effect=ruling.id,
                )

    def state(self) -> Parked:
        """What must be known to `restore` this: numbers of entries, which hold the rest."""
        return Parked(
            entries=sorted(seq for case in self.cases.values() for seq in case.seqs)
            + sorted(seq for plans in self.plans.values() for plan in plans for seq in plan.seqs),
            used={plan.request.id: plan.used for plans in self.plans.values() for plan in plans},
            ended=self.ended,
        )

    def restore(self, state: Parked, entries: Callable[[int], Iterable[Entry]]) -> None:
        """Become what ``state`` was taken of. ``entries(after)`` are those of the record above a number."""
        self.ended.update(state.ended)
        for entry in _entries_at(sorted(state.entries), entries):
            self.note(entry.seq, entry.record)
        for plan, used in state.used.items():
            case = self.cases.get(plan)
            if case is not None:
                self._begun(case.newest.intent)
                self.plans[case.newest.intent.run][-1].used.update(used)

    def _asked(self, seq: int, request: Request) -> None:
        case = self.cases.get(request.id)
        if case is None or request.number > case.newest.number:
            self.cases[request.id] = Case(request, seq)
            self._by_run.setdefault(request.intent.run, set()).add(request.id)
        elif request.number == case.newest.number and seq not in case.seqs:
            case.requests.append(request)
            case.seqs.append(seq)

    def _ruled(self, seq: int, ruling: Ruling) -> None:
        case = self.cases.get(ruling.id)
        if case is None or seq in case.seqs or case.why_not(ruling, ruling.at_ns):
            return
        case.rulings.append(ruling)
        case.seqs.append(seq)
        if ruling.verdict is RulingVerdict.TERMINATE:
            self.ended[case.newest.intent.run] = f"{ruling.who} ended it{f': {ruling.why}' if ruling.why else ''}"

    def _begun(self, intent: Intent) -> None:
        case = self._close(intent.id)
        if case is not None and case.newest.plan and case.state is CaseState.APPROVED:
            self.plans.setdefault(intent.run, []).append(PlanInForce(case.newest, case.requests, case.rulings, case.seqs))
        for plan in self.plans.get(intent.run, ()):
            if plan.take(intent):
                break

    def _over(self, run: RunId) -> None:
        """The run has ended, and whatever waited in it waits no more."""
        self.plans.pop(run, None)
        self.ended.pop(run, None)
        for effect in self._by_run.pop(run, ()):
            del self.cases[effect]

    def _close(self, effect: EffectId) -> Case | None:
        case = self.cases.pop(effect, None)
        if case is not None:
            run = case.newest.intent.run
            those = self._by_run[run]
            those.discard(effect)
            if not those:
                del self._by_run[run]
        return case


def read_docket(ledger: Ledger) -> Docket:
    """The open cases of a record that nobody has at hand.

    Only requests and rulings are decoded: of a long record it takes about as long as to read past it.
    """
    docket = Docket()
    for entry in ledger.entries():
        if any(mark in entry.body for mark in _MARKS):
            docket.note(entry.seq, entry.record)
    for effect, case in list(docket.cases.items()):
        opened = ledger.find(ask_of(case.newest.intent.run))
        if (past := ledger.find(effect)) is not None:
            docket.note(0, past.intent)
        elif opened is not None and opened.outcome is not None:
            docket.note(0, opened.outcome)
    return docket


def _entries_at(seqs: Sequence[int], entries: Callable[[int], Iterable[Entry]]) -> Iterator[Entry]:
    """The entries with these numbers. What stands between two that are near each other is read past."""
    reading: Iterator[Entry] = iter(())
    at = -NEAR
    for seq in seqs:
        if seq - at > NEAR:
            reading = iter(entries(seq - 1))
        for entry in reading:
            at = entry.seq
            if at >= seq:
                if at == seq:
                    yield entry
                break
