"""`Host`: many agents in one process and one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.agents.agent import Agent
from bailiwick.agents.answering import receive
from bailiwick.agents.asking import Asking, done
from bailiwick.agents.blueprint import Blueprint
from bailiwick.agents.control import end_loops
from bailiwick.agents.handle import Handle, here
from bailiwick.agents.interruptions import Interruptions
from bailiwick.agents.resident import Resident
from bailiwick.agents.run import Cursor, Run, current, number_tasks
from bailiwick.agents.spawn import Spawn, Spawned, class_at
from bailiwick.clock import Clock
from bailiwick.effects import Actuator, EffectClass, Intent, Kind, Tool
from bailiwick.errors import ActionFailed, Defect, NoSuchAgent, Stopping
from bailiwick.gateway import Gateway, Terms
from bailiwick.ids import AgentId, EffectId, HostId, agent_of, grant_of, nested_run_id, new_host_id
from bailiwick.mailboxes import Ask, Envelope, Mailboxes

A = TypeVar("A", bound=Agent)
T = TypeVar("T")

_log = logging.getLogger(__name__)


class Host:
    """Runs agents. Make it and `open` it inside a running event loop; everything it has belongs to that loop.

    ``actuator_of`` gives the actuator of a tool. ``mailbox_capacity`` is how many unfinished asks an agent may have before those
    who ask have to wait.
    """

    def __init__(
        self,
        gateway: Gateway,
        mailboxes: Mailboxes,
        clock: Clock,
        actuator_of: Callable[[Tool], Actuator],
        *,
        mailbox_capacity: int = 1_000,
    ) -> None:
        self.gateway = gateway
        self.mailboxes = mailboxes
        self.clock = clock
        self.id: HostId = new_host_id(clock.now_ns())
        self.asking = Asking(self, actuator_of)
        self.residents: dict[AgentId, Resident] = {}
        self._departed: dict[AgentId, str] = {}
        self._capacity = mailbox_capacity
        self._root: Cursor | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads: ThreadPoolExecutor | None = None
        self.interruptions = Interruptions(self)
        self._closing = False

    async def open(self) -> None:
        """Begin to give each task its positions, and to receive answers."""
        self._loop = asyncio.get_running_loop()
        self._factory = number_tasks(self._loop)
        here.set(self)
        self._context = copy_context()
        self._context.run(current.set, None)
        await self.mailboxes.attach(self.id, self.asking.receive, capacity=self._capacity)

    @property
    def root(self) -> Cursor:
        """The cursor of code that runs in no agent's run: the script. Raises `Stopping` when there is none."""
        if self._root is None:
            raise Stopping("no run is open here: act and launch inside `async with bailiwick.session(…)` or in `async def main(bw)`")
        return self._root

    @contextmanager
    def rooted(self, run: Run) -> Generator[None]:
        """Code in no agent's run belongs to ``run`` until the end of the block."""
        self.interruptions.gone_on_with(run)
        before, mine = self._root, Cursor(run)
        self._root = mine
        outside = current.set(mine)
        try:
            yield
        finally:
            current.reset(outside)
            if self._root is mine:  # Unless another run has taken over meanwhile.
                self._root = before

    def launch(
        self, kind: type[A], args: tuple[Any, ...], state: dict[str, Any], name: str | None, terms: Terms
    ) -> Coroutine[Any, Any, Handle[A]]:
        """See `Agent.launch`."""
        blueprint = Blueprint.of(kind)
        packed = blueprint.pack(args, state)
        # The name is part of the question, so it may depend on nothing but what is asked.
        spawned = Spawned(path=blueprint.path, name=name or blueprint.name, arguments=packed, terms=terms)
        intent, run = self.asking.intent(Kind.SPAWN, blueprint.name, EffectClass.IDEMPOTENT, codec.encode(spawned))
        if terms.budget is not None or terms.grant is not None:
            intent = replace(intent, grant=grant_of(intent.id))
        return self._launch(intent, run, blueprint, spawned)

    def handle(self, agent_id: AgentId) -> Handle[Any]:
        """A handle to an agent that lives here or is on record. Raises `NoSuchAgent`."""
        resident = self.residents.get(agent_id)
        if resident is not None:
            return Handle(self, agent_id, resident.blueprint)
        past = self.gateway.find(EffectId(f"eff_{agent_id[4:]}"))
        if past is None or past.intent.kind is not Kind.SPAWN:
            raise self.absent(agent_id)
        return Handle(self, agent_id, Blueprint.of(class_at(codec.decode(past.intent.arguments, Spawned).path)))

    def discover(self, kind: type[A], *, name: str | None = None) -> list[Handle[A]]:
        """Handles to the agents here that are of class ``kind`` or a subclass, and called ``name`` if that is given; in order of launch."""
        found = [r for r in self.residents.values() if isinstance(r.agent, kind) and name in (None, r.name)]
        return [cast(Handle[A], r.handle()) for r in found]

    def absent(self, agent_id: AgentId) -> NoSuchAgent | Stopping:
        """The error for an agent that is not here, with the reason where it is known."""
        if self._closing:
            return Stopping("this host is shutting down; what is asked now stays open")
        because = self._departed.get(agent_id)
        reason = f"agent {agent_id} has stopped: {because}" if because else f"nobody answers at {agent_id}: it was never launched here"
        return NoSuchAgent(reason, agent=agent_id)

    async def settle_in(self, resident: Resident) -> None:
        """Give a resident that is ready its mailbox."""
        if self._closing:
            raise Stopping("this host is shutting down and takes no new agents")
        await self.mailboxes.attach(resident.id, partial(receive, resident), capacity=self._capacity)
        self.residents[resident.id] = resident
        posted = self.gateway.past.posted(resident.id)
        if posted:  # Whoever sent these does not wait for an answer, and may be gone.
            self.start_task(self._deliver(resident.id, posted))

    async def stop(self, agent_id: AgentId, *, because: str = "it was shut down") -> None:
        """End an agent's loops, cancel what it has half done, call `on_shutdown` and close its mailbox. Idempotent."""
        resident = self.residents.pop(agent_id, None)
        if resident is None:
            return
        self._departed[agent_id] = because
        await self.mailboxes.detach(agent_id)
        await end_loops(resident)
        torn = resident.open > 0
        await _cancel((resident.answering or {}).values())
        if type(resident.agent).on_shutdown is not Agent.on_shutdown:
            outside = current.set(Cursor(Run(nested_run_id(agent_id, f"on_shutdown@{self.id}"), agent_id, closing=True)))
            try:
                await resident.agent.on_shutdown()
            except Exception as error:
                _log.error("on_shutdown of %s failed", resident.name, exc_info=error, extra={"event": "shutdown_failed", "agent": agent_id})
            finally:
                current.reset(outside)
        self.gateway.authority.ended(agent_id)
        if not torn:  # What a cancelled action left half changed is not sealed: on resume the action is done whole.
            self._seal(resident)

    def start_task(self, work: Coroutine[Any, Any, None], *, keep: bool = True) -> asyncio.Task[None]:
        """Run ``work`` in a context of its own: it belongs to no run and shares nothing with the code that started it. The host
        keeps the task until it is done, and cancels it when it closes; unless the caller does (``keep=False``)."""
        task = asyncio.Task(work, loop=self._loop, context=self._context.copy())
        if keep:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task

    async def run_blocking(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """See `Agent.run_blocking`."""
        self._threads = self._threads or ThreadPoolExecutor(thread_name_prefix="bailiwick-blocking")
        return await self._loop.run_in_executor(self._threads, partial(function, *args, **kwargs))

    async def close(self) -> None:
        """Stop every agent, the youngest first, and all that is under way. What was half done stays open on the record."""
        self._closing = True
        self.interruptions.of_all = True
        for agent_id in reversed(list(self.residents)):
            await self.stop(agent_id, because="its host was closed")
        await _cancel(self._tasks)
        await self.mailboxes.close()
        self._root = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._loop.set_task_factory(self._factory)

    async def _deliver(self, agent_id: AgentId, posted: Sequence[EffectId]) -> None:
        for effect in posted:
            past = self.gateway.find(effect)
            if past is not None and past.outcome is None:
                await self.mailboxes.send(Envelope(to=agent_id, sender=self.id, message=Ask(intent=past.intent, reply_to="")))

    def _seal(self, resident: Resident) -> None:
        try:
            seal = resident.seal()
        except Defect as error:  # Its last good state stays on record; the others must still be stopped.
            _log.error("agent %s cannot be sealed: %s", resident.name, error, extra={"event": "seal_failed", "agent": resident.id})
            return
        if seal is not None:
            self.gateway.seal(seal)

    async def _launch(self, intent: Intent, run: Run, blueprint: Blueprint, spawned: Spawned) -> Handle[Any]:
        agent_id = agent_of(intent.id)
        done(await self.asking.act(intent, run, Spawn(self, blueprint, spawned)), ActionFailed)
        return Handle(self, agent_id, blueprint)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    mine = asyncio.current_task()
    others = [task for task in tasks if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
