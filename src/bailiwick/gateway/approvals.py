"""Waiting for people: what may happen only once they agreed is asked for, parked, and let through once (invariant 7).

The judgement is the `Docket`'s, and this only waits: on a future for each effect, and on one timer for all. What was asked and said
stands on the record, so a parked effect survives its process: when its run is resumed it asks again, finds what was asked, and waits on.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.charter import Approval
from bailiwick.clock import Clock
from bailiwick.effects import Intent, Planned, Record, Ruling, RulingVerdict
from bailiwick.errors import BadInput, DuplicateIntent, NotAllowed, Refused, Rejected, Terminated
from bailiwick.gateway.docket import Case, CaseState, Docket, action_of
from bailiwick.gateway.question import FOREVER_NS, Asked, Question, asked_again, no, ruled, suffices, too_late
from bailiwick.gateway.records import Ruled
from bailiwick.ids import EffectId, RunId
from bailiwick.ledger import Ledger

LONGEST_SLEEP = timedelta(minutes=10)
"""The timer looks at the wall clock at least so often, which may have been set."""

Append = Callable[..., int]
"""Puts records at the end of the record, together, and returns the number of the last."""

Decide = Callable[[Intent], Asked]
"""What is to be asked before this call, as everything but approval decides it now. Raises `NotAllowed` if it may not happen at all."""

Fits = Callable[[Intent], None]
"""Return if the tool takes these arguments. Raises `BadInput`."""


def reads(intent: Intent) -> None:
    """The least that can be asked of arguments: that they are some, by name. Raises `BadInput`."""
    codec.decode(intent.arguments, dict[str, Any])


class Approvals:
    """Has people asked, and lets an effect through once they agreed: that very action, under that charter, in time, once.

    All methods belong to one event loop. Nothing is let through that the record does not show: a ruling is on record before anybody
    acts on it, and durable before the intent is, which stands behind it.
    """

    def __init__(
        self,
        append: Append,
        ledger: Ledger,
        clock: Clock,
        *,
        principal: str,
        docket: Docket | None = None,
        decide: Decide | None = None,
        fits: Fits = reads,
    ) -> None:
        self._append = append
        self._ledger = ledger
        self._clock = clock
        self._principal = principal
        self._decide = decide
        self._fits = fits
        self._fits_of: dict[EffectId, Fits] = {}
        """Of those that wait: what their own tool takes."""
        self.docket = docket or Docket()
        """What is open. Whoever appends to the record notes it there."""
        self._parked: dict[EffectId, asyncio.Future[None]] = {}
        self._due: list[tuple[int, EffectId]] = []
        self._timer: asyncio.Task[None] | None = None
        self._timer_at_ns = FOREVER_NS

    async def cleared(
        self,
        intent: Intent,
        approvals: Sequence[Approval],
        charter: str,
        why: str = "",
        *,
        principal: str = "",
        plan: Sequence[Planned] = (),
        fits: Fits | None = None,
    ) -> Intent:
        """Return ``intent`` once everybody agreed whom ``approvals`` name, with the arguments that they want it to have.

        The request is durable before this waits. What stands on record of an earlier process counts, and so does its deadline; it is
        asked anew where the action, the charter or the arguments are not those that were agreed to, or were agreed to too long ago.
        Raises `Rejected` for a no, and if too few agreed in time; `Terminated` also for every later effect of the run; `DuplicateIntent` if
        somebody waits with it already. Cancelled, it leaves the request standing. With a ``plan`` what is asked for is all that is in it.
        ``fits`` says whether the tool takes other arguments, where a person wants it to.
        """
        self.check_run(intent.run)
        if intent.id in self._parked:
            raise DuplicateIntent(f"effect {intent.id} waits for approval already", effect=intent.id)
        if not approvals:
            return intent
        question = Question(intent, Asked(approvals, charter, why), principal or self._principal, tuple(plan))
        if fits is not None:
            self._fits_of[intent.id] = fits
        try:
            if not self._is_asked(question):
                self._ask(question, intent, question.asked)
            while True:
                through = self._step(question)
                if through is not None:
                    return through
                parked = self._parked[intent.id] = asyncio.get_running_loop().create_future()
                await self._ledger.barrier()
                self._watch(intent.id)
                await parked
        finally:
            self._parked.pop(intent.id, None)
            self._fits_of.pop(intent.id, None)

    def covered(self, intent: Intent, approvals: Sequence[Approval], charter: str, *, principal: str = "") -> bool:
        """Whether an approved plan of its run speaks of ``intent``, and those agreed to it who would have to be asked; then that is one
        call of the plan fewer. Asked again for the same effect it says the same."""
        for plan in self.docket.plans.get(intent.run, ()):
            if plan.request.charter != charter or plan.expired(self._clock.now_ns()):
                continue
            if all(suffices(one, plan.agreed, principal or self._principal) for one in approvals) and plan.take(intent):
                return True
        return False

    def check_run(self, run: RunId) -> None:
        """Return unless a person ended ``run``. Raises `Terminated`."""
        if (why := self.docket.ended.get(run)) is not None:
            raise Terminated(f"nothing was done: run {run} does nothing any more: {why}", why=why)

    def rule(self, ruling: Ruling) -> Ruled:
        """Put on record what somebody decided, and let go who waits for it; durable once the next barrier returns.

        Its time is the clock's. Raises `NotFound` if the effect waits for nobody, `Refused` if the ruling would not count, `BadInput` and
        `NotAllowed` if its arguments do not fit the tool or the charter denies them; then nothing was recorded.
        """
        ruling = replace(ruling, at_ns=self._clock.now_ns())
        case = self.docket.check(ruling, ruling.at_ns)
        if ruling.verdict is RulingVerdict.MODIFY:
            changed = replace(case.newest.intent, arguments=ruling.arguments)
            self._check_fit(changed)
            if self._decide is not None:
                self._decide(changed)
        self._put([ruling])
        if ruling.verdict is RulingVerdict.TERMINATE:
            self._wake_run(case.newest.intent.run)
        self._wake(ruling.id)
        return ruled(case)

    def rule_many(self, rulings: Sequence[Ruling]) -> list[Ruled]:
        """Decide on several at once, on all or on none. Raises what `rule` does, and `Refused` if one to approve is irreversible."""
        self.docket.check_together(rulings, self._clock.now_ns())
        if any(ruling.verdict is RulingVerdict.MODIFY for ruling in rulings):
            raise Refused("nothing was recorded: arguments are changed one by one")
        return [self.rule(ruling) for ruling in rulings]

    def waiting(self) -> list[Case]:
        """The cases that somebody here waits for, in the order in which they were first asked."""
        return [case for effect, case in self.docket.cases.items() if effect in self._parked and not case.used]

    def reconsider(self) -> None:
        """The charter has changed: whatever was asked for under another one is asked anew. Needs `Decide`."""
        for effect in list(self._parked):
            self._wake(effect)

    async def close(self) -> None:
        """Stop the timer. Who waits goes on waiting, for rulings alone."""
        if self._timer is not None:
            self._timer.cancel()
            with suppress(asyncio.CancelledError):
                await self._timer
            self._timer = None

    def _is_asked(self, question: Question) -> bool:
        """Whether what stands on record is this very question, under this charter."""
        case = self.docket.cases.get(question.intent.id)
        if case is None or case.used:
            return False
        return case.origin == question.action and case.newest.charter == question.asked.charter

    def _step(self, question: Question) -> Intent | None:
        """Look at the case as it is now: the intent to act on, or None to wait on. Raises `Rejected`."""
        case = self.docket.cases.get(question.intent.id)
        if case is None:
            raise Rejected(f"`{question.intent.tool}` was not done: its run ended while it waited", effect=question.intent.id)
        now_ns = self._clock.now_ns()
        if case.state in (CaseState.REJECTED, CaseState.TERMINATED):
            raise no(case)
        self.check_run(question.intent.run)
        match case.state:
            case CaseState.MODIFIED:
                return self._changed(question, case, now_ns)
            case CaseState.APPROVED:
                return self._approved(question, case, now_ns)
            case _:
                return self._waiting(question, case, now_ns)

    def _waiting(self, question: Question, case: Case, now_ns: int) -> Intent | None:
        if case.expired(now_ns):
            raise too_late(case)
        if self._now(question, case.newest.intent).charter != case.newest.charter:
            return self._anew(question, case, "the charter has changed")
        if case.to_be_asked_again(now_ns):
            self._put(asked_again(case, now_ns))
        return None

    def _approved(self, question: Question, case: Case, now_ns: int) -> Intent | None:
        newest = case.newest
        through = replace(question.intent, arguments=newest.intent.arguments) if newest.origin else question.intent
        if action_of(through, question.principal, question.plan) != newest.action:
            return self._anew(question, case, "what was agreed to cannot be read from the record any more")
        if case.expired(now_ns):
            return self._anew(question, case, "it was agreed to, and not begun in time")
        if self._now(question, through).charter != newest.charter:  # Between the yes and the act it may have been replaced.
            return self._anew(question, case, "the charter has changed")
        case.used = True
        return through

    def _changed(self, question: Question, case: Case, now_ns: int) -> Intent | None:
        """A person wants other arguments: those are decided on as if the agent had asked with them, but for that person's own yes."""
        ruling = case.rulings[-1]
        through = replace(question.intent, arguments=ruling.arguments)
        try:
            if case.expired(now_ns):
                raise BadInput("it was agreed to, and not begun in time")
            self._check_fit(through)
            now = self._now(question, through)
        except (BadInput, NotAllowed) as error:
            return self._anew(question, case, f"{ruling.who} wanted other arguments: {error.message}")
        rest = [approval for approval in now.approvals if not suffices(approval, {ruling.who}, question.principal)]
        if rest:
            why = f"{ruling.who} changed the arguments"
            self._ask(question, through, now._replace(approvals=rest), why=why, agreed=ruling.who, origin=case.origin)
            return None
        case.used = True
        return through

    def _check_fit(self, intent: Intent) -> None:
        self._fits(intent)
        if (fits := self._fits_of.get(intent.id)) is not None:
            fits(intent)

    def _now(self, question: Question, intent: Intent) -> Asked:
        """What the charter in force says of ``intent``. Raises `NotAllowed`."""
        return self._decide(intent) if self._decide is not None else question.asked

    def _ask(self, question: Question, intent: Intent, asked: Asked, *, why: str = "", agreed: str = "", origin: str = "") -> None:
        """Put the requests on record. Raises `Rejected` where those who may agree are too few."""
        before, now_ns = self.docket.cases.get(intent.id), self._clock.now_ns()
        self._put(question.requests(intent, asked, before, now_ns, why=why, agreed=agreed, origin=origin))

    def _anew(self, question: Question, case: Case, why: str) -> Intent | None:
        """Ask for it as the agent does, by the charter in force; or let it through, if that wants nobody asked any more."""
        asked = self._now(question, question.intent)
        if not asked.approvals:
            case.used = True
            return question.intent
        self._ask(question, question.intent, asked, why=why)
        return None

    def _put(self, records: Sequence[Record]) -> None:
        last = self._append(*records)
        for seq, record in enumerate(records, last - len(records) + 1):
            self.docket.note(seq, record)

    def _wake(self, effect: EffectId) -> None:
        parked = self._parked.get(effect)
        if parked is not None and not parked.done():
            parked.set_result(None)

    def _wake_run(self, run: RunId) -> None:
        for effect in list(self._parked):
            if (case := self.docket.cases.get(effect)) is not None and case.newest.intent.run == run:
                self._wake(effect)

    def _watch(self, effect: EffectId) -> None:
        """Wake who waits with ``effect`` when something expires."""
        case = self.docket.cases.get(effect)
        at_ns = FOREVER_NS if case is None else min((one.expires_ns for one in case.requests if one.expires_ns), default=FOREVER_NS)
        if at_ns == FOREVER_NS:
            return
        heapq.heappush(self._due, (at_ns, effect))
        if len(self._due) > 2 * len(self._parked) + 64:  # Most are of cases that were decided long before.
            self._due = [due for due in self._due if due[1] in self._parked]
            heapq.heapify(self._due)
        if self._timer is None or self._timer.done() or at_ns < self._timer_at_ns:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.ensure_future(self._wake_in_time())

    async def _wake_in_time(self) -> None:
        while self._due:
            now_ns = self._clock.now_ns()
            while self._due and self._due[0][0] <= now_ns:
                self._wake(heapq.heappop(self._due)[1])
            while self._due and self._due[0][1] not in self._parked:
                heapq.heappop(self._due)
            if self._due:
                self._timer_at_ns = self._due[0][0]
                left = timedelta(microseconds=-(-(self._timer_at_ns - now_ns) // 1_000))
                await self._clock.sleep(min(left, LONGEST_SLEEP))
