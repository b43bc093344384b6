"""The only door: every effect of every agent goes through `Gateway.perform`, and the order of its lines is the security argument."""

from __future__ import annotations

from bailiwick import codec
from bailiwick.charter import Charter
from bailiwick.clock import Clock
from bailiwick.effects import Actuator, EffectClass, Failure, Intent, Kind, Outcome, Result, Seal, Status, describe
from bailiwick.errors import BailiwickError, InDoubt, NotAllowed, Refused, ReplayDiverged
from bailiwick.gateway.recollection import Recollection
from bailiwick.grants import NOTHING_HELD, Hold, Purse
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Ledger, Past, Sealed


class Gateway:
    """Holds the ledger, the charter and the purse; nobody acts without passing it (invariants 1, 2, 3 and 7)."""

    def __init__(self, ledger: Ledger, charter: Charter, purse: Purse, clock: Clock) -> None:
        self._ledger = ledger
        self._charter = charter
        self._purse = purse
        self._clock = clock
        self.past = Recollection()
        """Empty, unless a run is resumed."""
        self._counted: set[RunId] = set()
        """Roots whose spending is in the purse: those begun or resumed here."""
        self._refusals: dict[tuple[Kind, str, EffectClass], NotAllowed | None] = {}

    async def perform(self, intent: Intent, actuator: Actuator) -> Outcome:
        """Have ``actuator`` do what ``intent`` says, at most once, and return what came of it, well or badly.

        An outcome on record is returned as it stands. The intent is durable before anything outside is touched; the outcome is
        on record before this returns and durable no later than whatever depends on it. Raises `ReplayDiverged` if the record
        holds another question under this id, `InDoubt` if the effect may have happened and must not be repeated, and what the
        actuator raises if that leaves the effect open; in all three nothing is recorded. Cancelled, it leaves the intent open.
        """
        past = self._ledger.find(intent.id)
        if past is not None:
            same_question(past.intent, intent)
            if past.outcome is not None:  # The past is read, never redone.
                return await self._recall(past, past.outcome, actuator)
            if not may_repeat(past.intent):  # In doubt: decided by its class, never silently retried.
                raise _in_doubt(past.intent)
        try:
            self._check(intent)  # Deny wins; what nothing allows is denied.
            hold = self._hold(intent, actuator)  # Paid for before it happens.
        except Refused as refusal:
            return self._refuse(intent, refusal, known=past is not None)
        try:
            if past is None:
                self._ledger.append(intent)
                if intent.kind is Kind.RUN:
                    self._counted.add(intent.run)
            if intent.waits_for_disk:
                await self._ledger.barrier()
            started_ns = self._clock.now_ns()
            try:
                result = await actuator.act(intent)  # Nothing acts above this line.
            except Exception as error:
                outcome = self._failed(intent, error, started_ns)
            else:
                outcome = self._done(intent, result, started_ns)
            self._record(outcome, actuator)  # Nothing is believed above this line.
            hold.settle(outcome.cost)
        finally:
            hold.release()
        return outcome

    def resume(self, root: RunId) -> None:
        """Read the past of ``root`` before going on with it: what it spent is spent, what its agents answered is remembered."""
        counted = root in self._counted

        def spent(intent: Intent, outcome: Outcome) -> None:
            if intent.kind is Kind.TOOL and not counted:
                self._purse.recall(intent.tool, outcome.cost)

        self._counted.add(root)
        self.past = Recollection.of(self._ledger.entries(), root, spent)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        """The newest state on record of ``agent``."""
        return self._ledger.last_seal(agent)

    def find(self, effect: EffectId) -> Past | None:
        """What is on record of ``effect``."""
        return self._ledger.find(effect)

    def seal(self, seal: Seal) -> None:
        """Put an agent's state on record by itself, outside any effect: after a timer's tick, or from a loop."""
        self._ledger.append(seal)

    async def barrier(self) -> None:
        """Return once all that was recorded so far is durable. Raises `LedgerUnavailable`."""
        await self._ledger.barrier()

    def _done(self, intent: Intent, result: Result, started_ns: int) -> Outcome:
        return Outcome(
            id=intent.id,
            status=Status.DONE,
            value=result.value,
            fidelity=result.fidelity,
            cost=result.cost,
            started_ns=started_ns,
            ended_ns=self._clock.now_ns(),
        )

    def _failed(self, intent: Intent, error: Exception, started_ns: int) -> Outcome:
        if isinstance(error, BailiwickError) and error.leaves_open:
            raise error
        return self._ended(intent, Status.FAILED, describe(error), started_ns)

    def _ended(self, intent: Intent, status: Status, failure: Failure, started_ns: int) -> Outcome:
        return Outcome(id=intent.id, status=status, failure=failure, started_ns=started_ns, ended_ns=self._clock.now_ns())

    def _record(self, outcome: Outcome, actuator: Actuator) -> None:
        seal = actuator.seal()
        if seal is None:
            self._ledger.append(outcome)
        else:
            self._ledger.append(outcome, seal)

    async def _recall(self, past: Past, outcome: Outcome, actuator: Actuator) -> Outcome:
        await actuator.recall(past.intent, outcome, past.outcome_seq)
        seal = actuator.seal()
        if seal is not None:
            self._ledger.append(seal)
        return outcome

    def _refuse(self, intent: Intent, refusal: Refused, *, known: bool) -> Outcome:
        outcome = self._ended(intent, Status.REFUSED, describe(refusal), self._clock.now_ns())
        self._ledger.append(*(() if known else (intent,)), outcome)
        return outcome

    def _hold(self, intent: Intent, actuator: Actuator) -> Hold:
        """Tools are what costs: a message or a launch is paid for by what it leads to, and must not end a run that has spent all."""
        return self._purse.hold(intent.tool, actuator.estimate) if intent.kind is Kind.TOOL else NOTHING_HELD

    def _check(self, intent: Intent) -> None:
        key = (intent.kind, intent.tool, intent.effect)
        if key not in self._refusals:
            self._refusals[key] = self._refusal(intent)
        refusal = self._refusals[key]
        if refusal is not None:
            raise refusal.with_traceback(None)

    def _refusal(self, intent: Intent) -> NotAllowed | None:
        """None if the charter allows it; else an error that teaches what would be allowed."""
        outside = intent.kind is Kind.TOOL
        verdict = self._charter.verdict(intent.tool, intent.effect if outside else None)
        if verdict.allowed or (verdict.rule is None and not outside):
            return None  # Messages and launches stay inside: denied by name only. What they lead to is checked on its own.
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


def may_repeat(intent: Intent) -> bool:
    """Whether an intent left without an outcome may be acted on again: its class says twice is harmless, or it acts on nothing
    but agents, whose own effects are on record one by one."""
    return intent.effect.repeatable


def _in_doubt(intent: Intent) -> InDoubt:
    return InDoubt(
        f"`{intent.tool}` ({intent.effect}) was begun before a crash and may have happened; it is not repeated. Look at what it "
        f"touches, then decide; `bailiwick effects show {intent.id}` has its arguments",
        effect=intent.id,
        tool=intent.tool,
    )


def same_question(recorded: Intent, asked: Intent) -> None:
    """Return if both ask the same thing of the same one. Raises `ReplayDiverged` with both questions if not."""
    if asked.same_question(recorded):
        return
    raise ReplayDiverged(
        f"run {asked.run} asks `{_question(asked)}` at position {asked.position}, where the record holds `{_question(recorded)}`: the "
        "code or its inputs changed under the run. Nothing was done; restore them to resume, or start a new run",
        recorded=_question(recorded),
        asked=_question(asked),
        position=asked.position,
    )


def _question(intent: Intent) -> str:
    arguments = codec.to_json(codec.decode(intent.arguments)) if intent.arguments else ""
    target = f"{intent.target}." if intent.target else ""
    return f"{intent.kind} {target}{intent.tool}({arguments})"
