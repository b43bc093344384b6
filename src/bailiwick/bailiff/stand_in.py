"""What stands in the place of tools on a branch: what is known is given out as simulated; what is not, really happens or does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from bailiwick.bailiff.branching import keyed
from bailiwick.bailiff.cues import Cues
from bailiwick.bailiff.recorded_time import RecordedLoop
from bailiwick.bailiff.recording import Recording, question
from bailiwick.bailiff.records import Branch
from bailiwick.bailiff.score import LATE_NS
from bailiwick.effects import (
    NOT_HAPPENED,
    PLAIN,
    Actuator,
    EffectClass,
    Fidelity,
    Happened,
    Intent,
    Kind,
    Outcome,
    Result,
    Status,
    Tool,
    Unanswered,
    rebuild,
)
from bailiwick.errors import EndOfRecord, ToolFailed

ActuatorOf = Callable[[Tool], Actuator]

PATIENCE_NS = 31_536_000_000_000_000
"""How long a simulation may go on after the moment at which the record of the base ends: a year, which takes no time."""

HARMLESS = frozenset({EffectClass.PURE, EffectClass.READ})


class Simulation:
    """Says what would come of an effect, as far as the record of the base knows."""

    def __init__(self, recording: Recording, branch: Branch, loop: RecordedLoop, assumed: Mapping[str, bytes], cues: Cues | None) -> None:
        self._recording = recording
        self._assumed = assumed
        self._cues = cues
        self._changed = {change.effect: change.value for change in branch.changes}
        self._alike: dict[tuple[str, bytes], Outcome] = {}
        for effect in recording.effects.values():
            outcome = effect.outcome
            if effect.intent.kind is Kind.TOOL and outcome is not None and outcome.status is Status.DONE:
                self._alike.setdefault((effect.intent.tool, effect.intent.arguments), outcome)
        self._loop = loop
        self.stopped: asyncio.Future[None] = loop.create_future()
        """Raises why the simulation cannot go on."""

    def around(self, actuator_of: ActuatorOf) -> ActuatorOf:
        """What stands in for each tool; ``actuator_of`` gives what would act on it."""
        return lambda tool: _Simulated(self, actuator_of(tool), tool)

    async def result(self, intent: Intent, actuator: Actuator) -> Result:
        """What would come of ``intent``. Raises what it raised then, and `EndOfRecord` for what nobody can know without doing it."""
        if (value := self._changed.get(intent.id)) is not None:
            return Result(value=value, fidelity=Fidelity.SIMULATED)
        known = self.recorded(intent)
        if known is None and intent.effect in HARMLESS:
            with self._loop.real():
                return await actuator.act(intent)
        outcome = known or self._alike.get((intent.tool, intent.arguments))
        if outcome is None and intent.tool in self._assumed:
            return Result(value=self._assumed[intent.tool], fidelity=Fidelity.SIMULATED)
        if outcome is None:
            error = EndOfRecord(
                f"the branch asks `{question(intent)}` (run {intent.run}, position {intent.position}), and nothing on record says what "
                f"would come of it. It was not done; --assume {intent.tool}=VALUE goes on as if it were, --live does it",
                run=intent.run,
                position=intent.position,
                asked=question(intent),
            )
            if not self.stopped.done():
                self.stopped.set_exception(error)
            raise error
        done_ns = self._done_ns(intent, outcome)
        await self._loop.turn(done_ns, done_ns)
        if outcome.status is Status.CANCELLED:
            await self._loop.create_future()  # Whoever asked gave up then, and does so again.
        if outcome.failure is not None:
            raise rebuild(outcome.failure, ToolFailed)
        return Result(value=outcome.value, fidelity=Fidelity.SIMULATED, cost=outcome.cost)

    async def recalled(self, intent: Intent, outcome: Outcome, seq: int) -> None:
        """What is common to branch and base is given out in its order, if it is gone through again."""
        if self._cues is not None:
            await self._cues.recalled(intent, outcome, seq)

    def _done_ns(self, intent: Intent, outcome: Outcome) -> int:
        """When it would end: when it did, if it was asked when it was then, about; else after as long as it took."""
        effect = self._recording.effects.get(intent.id)
        now_ns = self._loop.now_ns
        as_then = effect is not None and abs(now_ns - effect.intent.at_ns) <= LATE_NS and now_ns <= outcome.ended_ns
        return outcome.ended_ns if as_then else now_ns + outcome.ended_ns - outcome.started_ns

    def recorded(self, intent: Intent) -> Outcome | None:
        """What came of the same question at the same position."""
        effect = self._recording.effects.get(intent.id)
        return effect.outcome if effect is not None and intent.same_question(effect.intent) else None

    def may_wait(self, due_ns: int | None) -> bool:
        """See `RecordedLoop`."""
        if due_ns is not None and due_ns <= self._recording.end_ns + PATIENCE_NS:
            return True
        if not self.stopped.done():
            self.stopped.set_exception(EndOfRecord("the branch waits for something that nothing on it will bring about"))
        return False


class _Simulated(Actuator):
    def __init__(self, simulation: Simulation, actuator: Actuator, tool: Tool) -> None:
        self.estimate = actuator.estimate
        # What must not be repeated and is open where the branch leaves is looked up rather than left in doubt.
        self.conduct = actuator.conduct if tool.effect.repeatable else _ASKABLE
        self._simulation = simulation
        self._actuator = actuator

    async def act(self, intent: Intent) -> Result:
        return await self._simulation.result(intent, self._actuator)

    async def recall(self, intent: Intent, outcome: Outcome, outcome_seq: int) -> None:
        await self._simulation.recalled(intent, outcome, outcome_seq)

    async def probe(self, intent: Intent) -> Happened[Result] | Unanswered:
        known = self._simulation.recorded(intent)
        if known is None or known.status is not Status.DONE:
            return NOT_HAPPENED
        return Happened(await self._simulation.result(intent, self._actuator))


_ASKABLE = type(PLAIN)(has_probe=True)


class Live(Actuator):
    """The tool itself, under idempotency keys of the branch."""

    def __init__(self, branch: Branch, actuator: Actuator) -> None:
        self.estimate = actuator.estimate
        self.conduct = actuator.conduct
        self._branch = branch
        self._changed = {change.effect: change.value for change in branch.changes}
        self._actuator = actuator

    async def act(self, intent: Intent) -> Result:
        if (value := self._changed.get(intent.id)) is not None:
            return Result(value=value, fidelity=Fidelity.SIMULATED)
        return await self._actuator.act(keyed(intent, self._branch.id))

    async def probe(self, intent: Intent) -> Happened[Result] | Unanswered:
        return await self._actuator.probe(intent)

    async def undo(self, intent: Intent, outcome: Outcome | None) -> Result:
        return await self._actuator.undo(intent, outcome)


def live(branch: Branch) -> Callable[[ActuatorOf], ActuatorOf]:
    """Tools as they are, under the keys of ``branch``."""
    return lambda actuator_of: lambda tool: Live(branch, actuator_of(tool))
