"""One agent living on a host: its turns, its open actions, its seals and its control loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from bailiwick.agents.agent import Agent
from bailiwick.agents.blueprint import Blueprint
from bailiwick.agents.run import Cursor, Run
from bailiwick.agents.turnstile import Turnstile
from bailiwick.effects import Reentry, Seal
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Sealed

if TYPE_CHECKING:
    from bailiwick.agents.control import Loop
    from bailiwick.agents.handle import Handle
    from bailiwick.agents.host import Host


class Resident:
    """What the host keeps of one agent. Parts that most agents never need are made when they are first needed."""

    __slots__ = (
        "_quiet",
        "_sealed",
        "_turnstile",
        "agent",
        "answering",
        "blueprint",
        "host",
        "id",
        "loops",
        "name",
        "open",
        "parked",
        "reentries",
        "shutdown",
        "ticks",
        "torn",
    )

    def __init__(self, host: Host, agent_id: AgentId, name: str, blueprint: Blueprint) -> None:
        self.host = host
        self.id = agent_id
        self.name = name
        self.blueprint = blueprint
        self.agent: Agent = blueprint.kind.__new__(blueprint.kind)
        self.agent._resident = self  # pyright: ignore[reportPrivateUsage] -- the one place that gives an agent its home
        self.answering: dict[EffectId, asyncio.Task[None]] | None = None
        self.loops: list[Loop] | None = None
        self.shutdown: asyncio.Event | None = None
        self.open = 0
        """How many runs are half done."""
        self.ticks: dict[str, int] = {}
        self.reentries: dict[RunId, Reentry] = {}
        """Where runs go on that were under way when this agent was last sealed."""
        self.parked: dict[RunId, Reentry] | None = None
        """Runs that stand at a boundary of their own choice, waiting to be sealed."""
        self.torn = False
        """A run stopped half way and left its effect open: what it half changed is not sealed, so that it can be gone on with."""
        self._sealed: bytes | None = None
        self._quiet: asyncio.Event | None = None
        self._turnstile = Turnstile() if blueprint.any_exclusive else None

    def handle(self) -> Handle[Any]:
        """A handle to this agent."""
        return self.host.handle(self.id)

    def restore(self, sealed: Sealed) -> None:
        """Take state and tick counts from the newest seal. Raises `BadInput` if the class declares other state by now."""
        self.blueprint.restore(self.agent, sealed.seal.state)
        self.ticks = dict(sealed.seal.ticks)
        self.reentries = dict(sealed.seal.runs)
        self._sealed = sealed.seal.state

    async def begin(self, *, exclusive: bool = False) -> None:
        """Wait for this run's turn; from then on it is half done."""
        if self._turnstile is not None:
            await self._turnstile.enter(exclusive=exclusive)
        self.open += 1

    def end(self) -> None:
        """A run that began has ended, well or badly."""
        self.open -= 1
        if self._quiet is not None:
            self._quiet.set()
        if self._turnstile is not None:
            self._turnstile.leave()

    def seal(self, *, ended: bool = False) -> Seal | None:
        """The state to put on record, if nothing is half done and it changed since the last seal, or a run just ``ended``: then the
        seal says that the run need not be gone through again. Else None. Raises `Defect` for state that its type hints forbid."""
        if self.open or self.torn or not (self.blueprint.keeps_state or self.ticks):
            return None
        state = self.blueprint.state(self.agent)
        if state == self._sealed:
            if not ended:
                return None
        else:
            self.blueprint.check_state(state)
            self._sealed = state
        return Seal(agent=self.id, state=state, ticks=dict(self.ticks), at_ns=self.host.clock.now_ns(), runs=dict(self.reentries))

    async def seal_now(self, cursor: Cursor) -> None:
        """See `Agent.seal`."""
        if not cursor.run.is_loop:
            await self.seal_run(cursor)
            return
        await self._until(lambda: not self.open)
        seal = self.seal()
        if seal is not None:
            self.host.gateway.seal(seal)
        await self.host.gateway.barrier()

    def seal_loop(self, run: Run) -> None:
        """A control loop has done much since this agent was sealed: seal it, unless an action is half done."""
        seal = self.seal()
        if seal is not None:
            run.unsealed = 0
            self.host.gateway.seal(seal)

    async def seal_run(self, cursor: Cursor, step: int = -1) -> None:
        """Seal the state and the place of a run that is under way. It waits until every other run of this agent has
        ended or stands at such a boundary too."""
        run = cursor.run
        if run.rebuilding:
            return
        parked = self.parked = self.parked if self.parked is not None else {}
        parked[run.id] = cursor.place(step)
        if self._quiet is not None:
            self._quiet.set()
        try:
            await self._until(lambda: self.open <= len(parked))
            if self.torn:
                return  # An older seal holds as well; there is only more to be read.
            self._sealed = self.blueprint.state(self.agent)
            self.blueprint.check_state(self._sealed)
            self.host.gateway.seal(
                Seal(
                    agent=self.id,
                    state=self._sealed,
                    ticks=dict(self.ticks),
                    at_ns=self.host.clock.now_ns(),
                    runs={**self.reentries, **parked},
                )
            )
            run.unsealed = 0
            await self.host.gateway.barrier()
        finally:
            del parked[run.id]

    async def _until(self, settled: Callable[[], bool]) -> None:
        while not settled():
            self._quiet = self._quiet or asyncio.Event()
            self._quiet.clear()
            await self._quiet.wait()

    def answer(self, effect: EffectId, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work``, the answer to ``effect``, as a task that `cancel` finds."""
        self.answering = self.answering if self.answering is not None else {}
        self.answering[effect] = self.host.start_task(work, keep=False)

    def is_answering(self, effect: EffectId) -> bool:
        """Whether the answer to ``effect`` is being worked on."""
        return self.answering is not None and effect in self.answering

    def answered(self, effect: EffectId) -> None:
        """The answer to ``effect`` has been given."""
        if self.answering is not None:
            self.answering.pop(effect, None)

    def cancel(self, effect: EffectId) -> None:
        """Stop working on the answer to ``effect``, if anybody still does."""
        task = (self.answering or {}).get(effect)
        if task is not None:
            task.cancel()
