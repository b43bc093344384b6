"""The only door: every effect of every agent goes through `Gateway.perform`, and the order of its lines is the security argument."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.charter import Charter
from bailiwick.clock import Clock
from bailiwick.effects import Actuator, Attempt, EffectClass, Failure, Intent, Kind, Outcome, Record, Seal, Status, describe
from bailiwick.errors import BailiwickError, NotAllowed, NotFound, Refused, ReplayDiverged
from bailiwick.gateway.attempts import Attempts, done
from bailiwick.gateway.notary import Notary
from bailiwick.gateway.recollection import Recollection
from bailiwick.gateway.undo import check_stands, undo_of
from bailiwick.grants import NOTHING_HELD, Hold, Purse
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Ledger, Past, Sealed

MILESTONE_ENTRIES = 8_192
"""What must be known to resume is sealed each time so many entries were appended: at most so many are read when the record is opened."""


class Gateway:
    """Holds the ledger, the charter and the purse; nobody acts without passing it (invariants 1, 2, 3 and 7)."""

    def __init__(self, ledger: Ledger, charter: Charter, purse: Purse, clock: Clock, notary: Notary | None = None) -> None:
        self._ledger = ledger
        self._charter = charter
        self._purse = purse
        self._clock = clock
        self._notary = notary
        self._attempts = Attempts(self._append, ledger, clock)
        self.past = Recollection(ledger)
        self._counted: set[RunId] = set()
        """Roots whose spending is in the purse: those begun or resumed here."""
        self._verdicts: dict[tuple[Kind, str, EffectClass], str | NotAllowed] = {}
        self._until_milestone = MILESTONE_ENTRIES

    async def perform(self, intent: Intent, actuator: Actuator) -> Outcome:
        """Have ``actuator`` do what ``intent`` says, at most once, and return what came of it, well or badly.

        An outcome on record is returned as it stands. The intent is durable before anything outside is touched; the outcome is
        on record before this returns and durable no later than whatever depends on it. Raises `ReplayDiverged` if the record
        holds another question under this id, `InDoubt` if the effect may have happened and must not be repeated, and what the
        actuator raises if that leaves the effect open; in all three nothing is recorded. Cancelled, it leaves the intent open.
        """
        past = self._ledger.find(intent.id)
        if past is not None:
            same_question(past, intent)
            if past.outcome is not None:  # The past is read, never redone.
                return await self._recall(past, past.outcome, actuator)
        try:
            allowed = self._check(intent)  # Deny wins; what nothing allows is denied.
            hold = self._hold(intent, actuator)  # Paid for before it happens.
        except Refused as refusal:
            return self._refuse(intent, refusal, known=past is not None)
        try:
            if past is None:
                self._open(allowed)
            if intent.waits_for_disk:
                await self._ledger.barrier()
            started_ns = self._clock.now_ns()
            try:
                # In doubt: decided by its class, never silently retried.
                found = 1 if past is None else await self._attempts.reconcile(past, actuator)
                if isinstance(found, int):
                    found = await self._attempts.until_answered(allowed, actuator, found)  # Nothing acts above this line.
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
            for tool, (calls, cost) in self.past.spent(root).items():
                self._purse.recall(tool, cost, calls)

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

    def _append(self, *records: Record) -> None:
        """The only line that writes the record."""
        self._ledger.append(*records)
        self._until_milestone -= len(records)
        if self._notary is not None:
            self._notary.note(len(records))

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
        seal = actuator.seal()
        if seal is not None:
            self.seal(seal)
        return outcome

    def _refuse(self, intent: Intent, refusal: Refused, *, known: bool) -> Outcome:
        outcome = self._ended(intent, Status.REFUSED, describe(refusal), self._clock.now_ns())
        self._append(*(() if known else (intent,)), outcome)
        return outcome

    def _hold(self, intent: Intent, actuator: Actuator) -> Hold:
        """Tools are what costs: a message or a launch is paid for by what it leads to, and must not end a run that has spent all."""
        return self._purse.hold(intent.tool, actuator.estimate) if intent.kind is Kind.TOOL else NOTHING_HELD

    def _check(self, intent: Intent) -> Intent:
        """``intent`` with the rule that allows it. Raises `NotAllowed`."""
        key = (intent.kind, intent.tool, intent.effect)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = self._verdict(intent)
        if isinstance(verdict, NotAllowed):
            raise verdict.with_traceback(None)
        return replace(intent, rule=verdict) if verdict else intent

    def _verdict(self, intent: Intent) -> str | NotAllowed:
        """The rule that allows it, empty where none is needed; or an error that teaches what would be allowed."""
        outside = intent.kind is Kind.TOOL
        verdict = self._charter.verdict(intent.tool, intent.effect if outside else None)
        if verdict.allowed and verdict.rule is not None and outside:
            return f"allow {self._charter.allow.index(verdict.rule) + 1}"
        if verdict.allowed or (verdict.rule is None and not outside):
            return ""  # Messages and launches stay inside: denied by name only. What they lead to is checked on its own.
        allowed = [str(rule) for rule in self._charter.allow]
        because = f"the charter denies {verdict.rule}" if verdict.rule else "no rule of the charter allows it"
        hint = "take that rule out" if verdict.rule else f'add [[allow]] tool = "{intent.tool}"'
        return NotAllowed(
            f"`{intent.tool}` ({intent.effect}) was not done: {because}; allowed are: {'; '.join(allowed) or 'nothing'}. Whoever wrote "
            f"the charter may {hint}",
            tool=intent.tool,
            effect=intent.effect.value,
            rule=str(verdict.rule) if verdict.rule else "",
            allowed=allowed,
        )


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
