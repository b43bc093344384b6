"""`Agent`: what a user writes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from bailiwick.agents.acting import Acting
from bailiwick.agents.boundaries import STEP_EFFECTS, first_task, steps
from bailiwick.effects import Cost, Failure, Fidelity, Status
from bailiwick.errors import Refused
from bailiwick.grants import Low
from bailiwick.ids import AgentId, EffectId

if TYPE_CHECKING:
    from bailiwick.agents.handle import Handle
    from bailiwick.agents.host import Host
    from bailiwick.agents.resident import Resident

T = TypeVar("T")
A = TypeVar("A", bound="Agent")


class Receipt(NamedTuple):
    """What came of one effect, as it stands on the record; see `Agent.perform`."""

    value: Any
    """None unless ``status`` is done."""
    status: Status
    failure: Failure | None
    """Why it failed or was refused."""
    effect: EffectId
    fidelity: Fidelity
    cost: Cost
    started_ns: int
    ended_ns: int
    changed: dict[str, Any] | None = None
    """The arguments that it was done with, where a person changed them before they agreed."""


class Agent(Acting):
    """A stateful actor with actions that others call and control loops of its own.

    Annotated public attributes are its *state*: set at launch by name, checked against their type hints, sealed on the record
    whenever an action ends and no other is half done, restored after a crash. Everything else, such as ``self._cache``, is
    gone then. Keep state small; keep large data in files and remember where. `launch` an agent rather than call its class.
    """

    _resident: Resident | None = None

    def __init__(self, **state: Any) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    @property
    def id(self) -> AgentId:
        """Its address, the same after a crash."""
        return self._home.id

    @property
    def name(self) -> str:
        """What people call it."""
        return self._home.name

    @property
    def handle(self) -> Handle[Self]:
        """A handle to itself, to give to others."""
        return self._home.handle()

    async def run_blocking(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call blocking code in a thread and return its result, so that it stalls nobody. It is not an effect and not recorded.

        Cancelled, it returns at once; the thread works on to its end.
        """
        return await self._home.host.run_blocking(function, *args, **kwargs)

    async def seal(self) -> None:
        """Put state and place on record, durable when it returns. After a crash the action is not gone through from its
        first effect: it is entered again *from its beginning*, with the state it had here, and its next effect is the one after this.

        So the code must find out from its state where it stands, as in ``while self.round < 100: …; self.round += 1; await
        self.seal()``. Waits until the agent's other actions have ended or call ``seal`` too.

        In a control loop, which starts anew after a crash, only the state is put on record. Raises `Refused` in a task that the action
        started, and outside any run.
        """
        await self._home.seal_now(first_task("seal()"))

    def steps(self, items: Iterable[T] | AsyncIterable[T], *, every: int = STEP_EFFECTS) -> AsyncIterator[T]:
        """``async for item in self.steps(items):`` a loop that seals by itself, between two steps, each time ``every`` effects are
        behind it; so that however long it runs, going on after a crash reads no more than that.

        After a crash what stands before the loop is read from the record, the loop goes on at the step after the newest seal, and the
        agent's state is what it was there; local variables are as the code before the loop leaves them. So what the steps add up to
        belongs into the state, and the code before the loop must not change it. ``items`` must come in the same order again. One such
        loop a run.
        """
        return steps(items, every, self._home.seal_run)

    async def on_startup(self) -> None:
        """Called once before the first message, at launch and again after a crash. Override it; by default it does nothing."""

    async def on_low(self, low: Low) -> None:
        """Called when of something that its budget limits little is left, before it is refused for want of it. Override it; by default
        it does nothing. Each call is a run of its own, and none of what is replayed."""

    async def on_shutdown(self) -> None:
        """Called once when the agent stops in good order, not when it is killed. Override it; by default it does nothing."""

    @property
    def _host(self) -> Host:
        return self._home.host

    @property
    def _home(self) -> Resident:
        if self._resident is None:
            kind = type(self).__name__
            raise Refused(f"this {kind} lives nowhere: start it with `await bw.launch({kind}, …)`, then it can act and be asked")
        return self._resident
