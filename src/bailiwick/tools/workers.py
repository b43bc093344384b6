"""A bounded set of worker processes, and the tools that run in them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import msgspec

from bailiwick.clock import Clock
from bailiwick.effects import Actuator, Intent, Result, Secret, Tool, rebuild
from bailiwick.errors import BadInput, BailiwickError, Defect, Stopping, ToolFailed, WorkerDied
from bailiwick.ids import AgentId
from bailiwick.tools import frames
from bailiwick.tools.process import WorkerProcess
from bailiwick.tools.records import Call, Code, Done, Raised, Start
from bailiwick.tools.worker import serving

_REMEMBERED_AGENTS = 4096


class WorkerPool:
    """At most ``size`` worker processes, started when there is something to do; each makes one call at a time.

    An agent gets the worker it used last if that is idle, for what is warm there; else a new one, so that agents share no
    process while there is room; else the one idle longest; else it waits, first come first served. A worker that dies fails the
    call it was making and is replaced when next one is needed.
    Workers inherit the host's environment, working directory and process group, import from the host's ``sys.path``, print to
    its standard error, ignore Ctrl-C, and do not outlive the host even if it is killed (on Linux; elsewhere they end with the call
    they are making). A pool belongs to one event loop. ``environment`` is set in workers where the host's own does not say otherwise.
    """

    def __init__(self, size: int, clock: Clock, environment: Mapping[str, str], *, grace: timedelta = timedelta(seconds=2)) -> None:
        if size < 1:
            raise BadInput(f"{size} worker processes run nothing; give tools at least 1")
        if serving():
            raise Defect('a worker process may not start workers; put what the script starts under `if __name__ == "__main__":`')
        self._size = size
        self._clock = clock
        self._environment = dict(environment)
        self._grace = grace
        self._workers: set[WorkerProcess] = set()
        """All whose processes have not been waited for, the dying too: their number never exceeds ``size``."""
        self._idle: dict[WorkerProcess, None] = {}
        """The one idle longest comes first."""
        self._used_last: dict[AgentId, WorkerProcess] = {}
        self._waiting: deque[tuple[AgentId, asyncio.Future[WorkerProcess]]] = deque()
        self._undertakers = ThreadPoolExecutor(size, thread_name_prefix="bailiwick-worker-end")
        self._closing: asyncio.Future[None] | None = None

    @property
    def pids(self) -> list[int]:
        """The processes there are at the moment."""
        return sorted(worker.pid for worker in self._workers)

    async def call(self, name: str, frame: bytes, agent: AgentId) -> Done:
        """Have a worker make the call in ``frame``, and return its answer with the wall time filled in.

        Raises what the tool raised, `WorkerDied` if the process ended before it answered, `Unavailable` if none can be started,
        `Stopping` if the pool is closed before there is an answer. Cancelled, it kills the worker, so that the work stops.
        """
        worker = await self._obtain(agent)
        self._used_last.pop(agent, None)
        self._used_last[agent] = worker
        if len(self._used_last) > _REMEMBERED_AGENTS:
            del self._used_last[next(iter(self._used_last))]
        started_ns = self._clock.monotonic_ns()
        try:
            answer = await worker.exchange(frame)
        except ConnectionError:
            status = await asyncio.shield(self._end(worker))
            raise (_died(name, worker, status) if self._closing is None else _stopping()) from None
        except BaseException:
            worker.kill()
            self._end(worker)
            raise
        self._give_back(worker)
        if isinstance(answer, Raised):
            raise rebuild(answer.failure, ToolFailed)
        if not answer.cost.wall_s:
            wall_s = (self._clock.monotonic_ns() - started_ns) / 1e9
            answer = msgspec.structs.replace(answer, cost=msgspec.structs.replace(answer.cost, wall_s=wall_s))
        return answer

    async def close(self) -> None:
        """Return when every worker is gone. Idle ones end at once; calls under way are stopped, and raise `Stopping`.

        A worker that does not end is sent SIGTERM, and after ``grace`` SIGKILL. A second call does the same as the first.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_future()
            for _, turn in self._waiting:
                if not turn.done():
                    turn.set_exception(_stopping())
            self._waiting.clear()
            for worker in self._workers - self._idle.keys():
                worker.stop()  # Its call ends it.
            for worker in self._idle:
                self._end(worker)
            self._idle.clear()
            self._close_if_empty()
        await asyncio.shield(self._closing)

    async def _obtain(self, agent: AgentId) -> WorkerProcess:
        if self._closing is not None:
            raise _stopping()
        worker = self._take(agent)  # There is none while others wait: whatever becomes free is given to them at once.
        if worker is not None:
            return worker
        turn: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        self._waiting.append((agent, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # Its turn came in the same moment.
                self._give_back(turn.result())
            raise

    def _take(self, agent: AgentId) -> WorkerProcess | None:
        while self._idle:
            worker = self._used_last.get(agent)
            if worker not in self._idle:
                if len(self._workers) < self._size:
                    break  # Room for one of its own.
                worker = next(iter(self._idle))
            del self._idle[worker]
            if worker.alive:
                return worker
            self._end(worker)  # It died in its sleep: no call is harmed.
        if len(self._workers) >= self._size:
            return None
        worker = WorkerProcess(Start(path=[str(entry) for entry in sys.path], environment=self._environment))
        self._workers.add(worker)
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        if self._closing is not None:
            self._end(worker)
            return
        self._idle[worker] = None
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        while self._waiting:
            agent, turn = self._waiting[0]
            if not turn.done():
                try:
                    worker = self._take(agent)
                except BailiwickError as error:
                    turn.set_exception(error)
                else:
                    if worker is None:
                        return
                    turn.set_result(worker)
            self._waiting.popleft()

    def _end(self, worker: WorkerProcess) -> asyncio.Future[int]:
        """See ``worker`` to its end. The future is its exit status; its place is free then."""
        ended = asyncio.get_running_loop().run_in_executor(self._undertakers, worker.end, self._grace)
        ended.add_done_callback(lambda _: self._ended(worker))
        return ended

    def _ended(self, worker: WorkerProcess) -> None:
        self._workers.discard(worker)
        for agent in [agent for agent, last in self._used_last.items() if last is worker]:
            del self._used_last[agent]
        self._serve_waiting()
        self._close_if_empty()

    def _close_if_empty(self) -> None:
        if self._closing is not None and not self._workers and not self._closing.done():
            self._undertakers.shutdown()  # They have nothing left to do: this waits for nothing.
            self._closing.set_result(None)


class ProcessActuator(Actuator):
    """Runs a tool in a worker process.

    The cost holds wall time as the host saw it, a worker's start included, and all CPU time that the worker and its children used
    for the call. Cancelling the act kills the worker.

    Raises `BadInput` at once if a worker could not find the function.
    """

    def __init__(self, tool: Tool, pool: WorkerPool) -> None:
        self.estimate = tool.estimate
        self._name = tool.name
        self._code = _locate(tool)
        self.conduct = tool.conduct
        self._signature = self.takes = tool.signature
        self._pool = pool

    async def act(self, intent: Intent) -> Result:
        call = Call(code=self._code, arguments=intent.arguments, key=intent.idempotency_key if self._signature.takes_key else "")
        if self._signature.secrets:
            call = msgspec.structs.replace(call, secrets=self._secrets(intent))
        frame = frames.pack(call)
        if frame is None:
            raise BadInput(
                f"the arguments of {self._name} have {frames.mebibytes(len(intent.arguments))}; at most "
                f"{frames.mebibytes(frames.LIMIT_BYTES)} cross to a worker process: write them to a file and give its path"
            )
        done = await self._pool.call(self._name, frame, intent.agent)
        return Result(value=done.value, fidelity=done.fidelity, cost=done.cost)

    def _secrets(self, intent: Intent) -> list[str]:
        """The values of the secrets among the arguments. They cross a socket pair that nobody else holds, and stand nowhere."""
        arguments = self._signature.unpack(intent.arguments)
        return [secret.reveal() for name in self._signature.secrets if isinstance(secret := arguments.get(name), Secret)]


def _locate(tool: Tool) -> Code:
    module, qualname = tool.function.__module__, tool.function.__qualname__
    if "<" in qualname:  # <locals>, <lambda>
        raise BadInput(
            f"the tool {tool.name} runs in a worker process, which must find it by name: define {qualname} at module level, or "
            'use where="thread"'
        )
    home = sys.modules.get(module)
    source = getattr(home, "__file__", None)
    import_as = module
    if module == "__main__":
        if source is None:
            raise BadInput(
                f"the tool {tool.name} is defined in an interactive session, where no worker process can find it: put it into a "
                'file, or use where="thread"'
            )
        spec = getattr(home, "__spec__", None)  # There for `python -m package.module`, whose relative imports need the true name.
        import_as = "bailiwick_script" if spec is None else spec.name
    return Code(module=module, import_as=import_as, qualname=qualname, path=str(Path(source).absolute()) if source else "")


def _died(name: str, worker: WorkerProcess, status: int) -> WorkerDied:
    when = "" if worker.ready else " before it was ready; what it had to say is on standard error"
    if status >= 0:
        how = f"ended with exit status {status}{when}"
        return WorkerDied(f"the worker that ran {name} (pid {worker.pid}) {how}", pid=worker.pid, exit_status=status)
    number = -status
    try:
        known_as = signal.Signals(number).name
    except ValueError:
        known_as = "unknown"
    hint = "; Linux does that where memory runs out" if number == signal.SIGKILL else ""
    how = f"was killed by signal {number} ({known_as}){hint}{when}"
    return WorkerDied(f"the worker that ran {name} (pid {worker.pid}) {how}", pid=worker.pid, signal=number)


def _stopping() -> Stopping:
    return Stopping("this host is closing and starts no more tools")
