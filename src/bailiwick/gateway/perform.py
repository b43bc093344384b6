"""The only door: every effect of every agent goes through `Gateway.perform`, and the order of its lines is the security argument."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.charter import Answer, Decision
from bailiwick.clock import Clock
from bailiwick.effects import (
    Actuator,
    Attempt,
    EffectClass,
    Failure,
    Intent,
    Kind,
    Outcome,
    Record,
    Revocation,
    Seal,
    Status,
    describe,
)
from bailiwick.errors import BailiwickError, NotFound, Paced, Refused, ReplayDiverged
from bailiwick.gateway.approvals import Approvals
from bailiwick.gateway.attempts import Attempts, done, in_doubt
from bailiwick.gateway.authority import Authority
from bailiwick.gateway.mandate import Both, Mandate
from bailiwick.gateway.notary import Notary
from bailiwick.gateway.recollection import Recollection
from bailiwick.gateway.screen import Screen
from bailiwick.gateway.undo import check_stands, undo_of
from bailiwick.grants import NOTHING_HELD, Hold, Taken
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Ledger, Past, Sealed

MILESTONE_ENTRIES = 8_192
"""What must be known to resume is sealed each time so many entries were appended: at most so many are read when the record is opened."""


PATIENCE = timedelta(minutes=5)
"""How long an effect waits that would come too soon after others, before it is refused."""


class Gateway:
    """Holds the ledger and the authority; nobody acts without passing it (invariants 1, 2, 3, 4 and 7)."""

    def __init__(self, ledger: Ledger, authority: Authority, clock: Clock, notary: Notary | None = None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._notary = notary
        self._attempts = Attempts(self._append, ledger, clock)
        self.authority = authority
        self.screen = authority.screen
        self.past = Recollection(ledger, authority)
        self.approvals = Approvals(
            self._append, ledger, clock, principal=authority.everybody.principal, docket=self.past.docket, decide=authority.asked_of_people
        )
        self._counted: set[RunId] = set()
        """Roots whose spending is in the purse: those begun or resumed here."""
        self._until_milestone = MILESTONE_ENTRIES

    async def perform(self, intent: Intent, actuator: Actuator) -> Outcome:
        """Have ``actuator`` do what ``intent`` says, at most once, and return what came of it, well or badly.

        An outcome on record is returned as it stands. The intent is durable before anything outside is touched; the outcome is
        on record before this returns and durable no later than whatever depends on it. Where people must agree first, it waits
        until they have. Raises `ReplayDiverged` if the record holds another question under this id, `InDoubt` if the effect may have
        happened and must not be repeated, and what the actuator raises if that leaves the effect open; in all three nothing is
        recorded. Cancelled, it leaves the intent open, and what people were asked standing.
        """
        past = self._ledger.find(intent.id)
        if past is not None:
            same_question(past, intent)
            if past.outcome is not None:  # The past is read, never redone.
                return await self._recall(past, past.outcome, actuator)
            if past.intent.asked:
                intent = past.intent  # With the arguments that a person wanted it to have.
        hold = NOTHING_HELD
        try:
            try:
                if intent.kind is Kind.RUN:
                    self.authority.opened(intent)
                mandate = self.authority.of(intent.agent)
                decision = mandate.decide(intent, actuator.estimate, anew=past is None)  # Deny wins; what nothing allows is denied.
                hold = self._hold(mandate, intent, actuator) or await self._hold_in_time(mandate, intent, actuator)  # Paid for.
                if past is None and self.screen is not None and intent.kind is Kind.TOOL:
                    decision = await self._screened(self.screen, mandate, intent, actuator, decision)  # Nobody else's words act.
                if past is None and (decision.answer is Answer.ASK or self.past.docket.ended):
                    intent = await self._agreed(mandate, intent, decision, actuator)  # By all who must.
            except (Refused, Paced) as refusal:
                return self._refuse(intent, refusal, past)
            if past is None:
                if decision.rule and intent.kind is Kind.TOOL:
                    intent = replace(intent, rule=decision.rule)
                if mandate.monitors:
                    self.authority.admitted(intent, actuator.estimate)
                self._open(intent)
            if intent.waits_for_disk:
                await self._ledger.barrier()
            if self.screen is not None:
                self.screen.begun(intent)
            started_ns = self._clock.now_ns()
            try:
                # In doubt: decided by its class, never silently retried.
                found = 1 if past is None else await self._attempts.reconcile(past, actuator)
                if isinstance(found, int):
                    found = await self._attempts.until_answered(intent, actuator, found)  # Nothing acts above this line.
            except Exception as error:
                outcome = self._failed(intent, error, started_ns)
            else:
                outcome = done(intent, found, started_ns, self._clock.now_ns())
            self._conclude(intent, outcome, actuator.seal())  # Nothing is believed above this line.
            hold.settle(outcome.cost)
            if actuator.conduct.durable_outcome:
                await self._ledger.barrier()
        finally:
            hold.release()
        return outcome

    def resume(self, root: RunId) -> None:
        """Go on with the tree of ``root`` here: what it spent is spent. Raises `Refused` if what it goes by was taken back since."""
        for undone in self.past.undone(root):
            past = self._ledger.find(undone)
            check_stands(past, past and self._ledger.find(undo_of(past.intent, run=root, agent=past.intent.agent, at_ns=0).id))
        if root not in self._counted:
            self._counted.add(root)
            self.authority.recall(self.past.spent(root))

    def settle(self, effect: EffectId, outcome: Outcome | Attempt) -> None:
        """Put on record what a person found out about an effect in doubt: that it ended so, or that it may be tried again.

        Raises `NotFound`, or `Refused` if it is not in doubt.
        """
        past = self._ledger.find(effect)
        if past is None:
            raise NotFound(f"no effect {effect} is on record", effect=effect)
        if past.outcome is not None:
            raise Refused(f"effect {effect} is {past.outcome.status}: there is nothing to settle", effect=effect)
        self._append(outcome)
        if isinstance(outcome, Outcome):
            self.past.note(past.intent, outcome)

    def post(self, intent: Intent) -> None:
        """Put a one-way ask on record before it is sent, so that a crash cannot lose it; nothing, if it is there already."""
        past = self._ledger.find(intent.id)
        if past is None:
            self._open(intent)
        else:
            same_question(past, intent)

    def withdraw(self, intent: Intent, value: bytes = b"", seal: Seal | None = None) -> None:
        """Whoever asked took the question back, and was not told to stop: that is how it ended. Nothing, if it has ended already, or
        never began. ``value`` is what a stream had yielded; ``seal`` the state of who was asked."""
        past = self._ledger.find(intent.id)
        if past is None or past.outcome is not None:
            return
        now_ns = self._clock.now_ns()
        outcome = Outcome(id=intent.id, status=Status.CANCELLED, value=value, started_ns=past.intent.at_ns, ended_ns=now_ns)
        self._conclude(past.intent, outcome, seal)

    def revoke(self, revocation: Revocation) -> Taken:
        """Take back what was granted, and put it on record; when this returns nothing is admitted under it any more. Durable once the
        next barrier returns. Raises `BadInput` for what names nothing."""
        if self.authority.grants is None:
            raise NotFound("no grants are kept here")
        taken = self.authority.grants.revoke(replace(revocation, at_ns=revocation.at_ns or self._clock.now_ns()))
        self._append(taken.record)
        self.past.revoked(taken.record)
        return taken

    def note(self, intent: Intent, outcome: Outcome) -> None:
        """Put an effect on record together with its outcome that nobody acts on: the run notes something about itself."""
        self._append(intent, outcome)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        """The newest state on record of ``agent``."""
        return self._ledger.last_seal(agent)

    def find(self, effect: EffectId) -> Past | None:
        """What is on record of ``effect``."""
        return self._ledger.find(effect)

    def seal(self, seal: Seal) -> None:
        """Put an agent's state on record by itself, outside any effect: after a timer's tick, or from a loop."""
        self._append(seal)
        self.past.sealed(seal)

    def supersede(self, outcomes: Sequence[Outcome], seal: Seal) -> None:
        """Put on record, together, that a run goes on from ``seal`` with other code, and how what the old code had left open ended."""
        self._append(*outcomes, seal)

    async def barrier(self) -> None:
        """Return once all that was recorded so far is durable. Raises `LedgerUnavailable`."""
        await self._ledger.barrier()

    def _append(self, *records: Record) -> int:
        """The only line that writes the record."""
        last = self._ledger.append(*records)
        self._until_milestone -= len(records)
        if self._notary is not None:
            self._notary.note(len(records))
        if self.past.docket.is_open:
            for seq, record in enumerate(records, last - len(records) + 1):
                self.past.docket.note(seq, record)
        return last

    def _open(self, intent: Intent) -> None:
        self._append(intent)
        self.past.note(intent, None)
        if intent.kind is Kind.RUN:
            self._counted.add(intent.run)

    def _failed(self, intent: Intent, error: Exception, started_ns: int) -> Outcome:
        if isinstance(error, BailiwickError) and error.leaves_open:
            raise error
        return self._ended(intent, Status.FAILED, describe(error), started_ns)

    def _ended(self, intent: Intent, status: Status, failure: Failure, started_ns: int) -> Outcome:
        return Outcome(id=intent.id, status=status, failure=failure, started_ns=started_ns, ended_ns=self._clock.now_ns())

    def _conclude(self, intent: Intent, outcome: Outcome, seal: Seal | None) -> None:
        self.authority.observed(intent, outcome)
        if self.screen is not None:
            self.screen.obtained(intent, outcome)
            if intent.kind is Kind.RUN:
                self.screen.ended(intent.run)
        if seal is None:
            self._append(outcome)
            self.past.note(intent, outcome)
        else:
            self._append(outcome, seal)
            self.past.note(intent, outcome)
            self.past.sealed(seal)
        if self._until_milestone <= 0:  # Here what is remembered and what is on record agree.
            self._until_milestone = MILESTONE_ENTRIES
            self._append(self.past.milestone(self._clock.now_ns()))

    async def _recall(self, past: Past, outcome: Outcome, actuator: Actuator) -> Outcome:
        await actuator.recall(past.intent, outcome, past.outcome_seq)
        if self.screen is not None:
            self.screen.obtained(past.intent, outcome)
        seal = actuator.seal()
        if seal is not None:
            self.seal(seal)
        return outcome

    def _refuse(self, intent: Intent, refusal: Refused | Paced, past: Past | None) -> Outcome:
        """It did not happen; unless a crash left it open: then nobody may look by trying again, and a person has to."""
        if past is not None and past.may_have_happened:
            raise in_doubt(intent, f"a crash cut it off, and it may not be tried again ({refusal.message})") from refusal
        outcome = self._ended(intent, Status.REFUSED, describe(refusal), self._clock.now_ns())
        self.authority.observed(intent, outcome)
        self._append(*(() if past is not None else (intent,)), outcome)
        return outcome

    def _hold(self, mandate: Mandate, intent: Intent, actuator: Actuator) -> Hold | Both | None:
        """Tools are what costs: a message or a launch is paid for by what it leads to, and must not end a run that has spent all. None
        where there is enough, and it would go too fast."""
        if intent.kind is not Kind.TOOL:
            return NOTHING_HELD
        try:
            return mandate.hold(intent, actuator.estimate)
        except Paced:
            return None

    async def _hold_in_time(self, mandate: Mandate, intent: Intent, actuator: Actuator) -> Hold | Both:
        """As `_hold`, once it does not go too fast any more."""
        irreversible = intent.effect is EffectClass.IRREVERSIBLE
        hold = await mandate.purse.hold_in_time(intent.tool, actuator.estimate, within=PATIENCE, irreversible=irreversible)
        hold.release()
        self._still_allowed(intent, actuator)
        return mandate.hold(intent, actuator.estimate)

    async def _screened(self, screen: Screen, mandate: Mandate, intent: Intent, actuator: Actuator, decision: Decision) -> Decision:
        call = mandate.call(intent, actuator.estimate)
        found = await screen.decide(call, decision)
        if found.answer is Answer.DENY:
            raise mandate.refusal(call, found)
        self._still_allowed(intent, actuator)
        return found

    async def _agreed(self, mandate: Mandate, intent: Intent, decision: Decision, actuator: Actuator) -> Intent:
        """``intent``, perhaps with other arguments, once everybody has agreed who must. Raises `Rejected`."""
        self.approvals.check_run(intent.run)
        digest, who = mandate.charter.digest, mandate.principal
        if decision.answer is not Answer.ASK or self.approvals.covered(intent, decision.approvals, digest, principal=who):
            return intent
        agreed = await self.approvals.cleared(intent, decision.approvals, digest, decision.reason, principal=who, fits=actuator.check)
        if agreed.arguments != intent.arguments:
            agreed = replace(agreed, asked=codec.digest(intent.arguments))
        self._still_allowed(agreed, actuator)
        return agreed

    def _still_allowed(self, intent: Intent, actuator: Actuator) -> None:
        """Raises what `Mandate.decide` does: a grant may have been taken back since, the charter changed, another come first."""
        self.authority.of(intent.agent).decide(intent, actuator.estimate)


def same_question(past: Past, asked: Intent) -> None:
    """Return if the record holds this question of this one. Raises `ReplayDiverged` with both questions if not, `Refused` if what
    the record held was erased, so that nobody can tell."""
    recorded = past.intent
    if past.erased:
        raise Refused(
            f"effect {recorded.id} (`{recorded.tool}`) cannot be read from the record: its payload was erased. This run cannot be gone "
            "through again; start a new one",
            effect=recorded.id,
        )
    if asked.same_question(recorded):
        return
    raise ReplayDiverged(
        f"run {asked.run} asks `{_question(asked)}` at position {asked.position}, where the record holds `{_question(recorded)}`: the "
        f"code or its inputs changed under the run. Nothing was done; restore them to resume, or restart the run from its last seal with "
        f"`bailiwick runs migrate {asked.run}`",
        recorded=_question(recorded),
        asked=_question(asked),
        position=asked.position,
        run=asked.run,
    )


def _question(intent: Intent) -> str:
    arguments = codec.to_json(codec.decode(intent.arguments)) if intent.arguments else ""
    target = f"{intent.target}." if intent.target else ""
    return f"{intent.kind} {target}{intent.tool}({arguments})"
