"""`Agent`: what a user writes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from bailiwick.effects import Cost, Failure, Fidelity, Status, Tool
from bailiwick.errors import Refused
from bailiwick.ids import AgentId, EffectId

if TYPE_CHECKING:
    from bailiwick.agents.handle import Handle
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


class Agent:
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

    def use(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Have ``tool`` act, through the gateway, and return its value.

        The effect gets its place in the run when ``use`` is called, not when the result is awaited. In a run that is gone through
        again after a crash, an effect with an outcome on record returns that, and nothing is done.

        Raises what the tool raised (with its traceback as a note), `Refused` if charter or budget say no, `BadInput` for
        arguments that do not fit, `WorkerDied`, `InDoubt`, `ReplayDiverged`, `LedgerUnavailable`.
        """
        return self._home.host.asking.use(tool, args, kwargs)

    def perform(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Receipt]:
        """Like `use`, but return what came of it, well or badly, with its provenance: effect id, fidelity, cost and times.

        Raises only what leaves no outcome on the record: `BadInput`, `InDoubt`, `ReplayDiverged`, `LedgerUnavailable`.
        """
        return self._home.host.asking.perform(tool, args, kwargs)

    def launch(self, kind: type[A], /, *args: Any, name: str | None = None, **state: Any) -> Coroutine[Any, Any, Handle[A]]:
        """Start an agent of class ``kind`` on this host and return a handle once its `on_startup` is done.

        Launching is an effect: in a run that is gone through again, the agent comes back under the same id with its sealed state.
        Raises `BadInput` for state that does not fit, and what `on_startup` raises.
        """
        return self._home.host.launch(kind, args, state, name)

    async def run_blocking(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call blocking code in a thread and return its result, so that it stalls nobody. It is not an effect and not recorded.

        Cancelled, it returns at once; the thread works on to its end.
        """
        return await self._home.host.run_blocking(function, *args, **kwargs)

    async def checkpoint(self) -> None:
        """From a control loop: seal the state now, or as soon as the actions that are half done end. Durable when it returns.

        Raises `Refused` inside an action, whose state is sealed when it ends.
        """
        await self._home.checkpoint()

    async def on_startup(self) -> None:
        """Called once before the first message, at launch and again after a crash. Override it; by default it does nothing."""

    async def on_shutdown(self) -> None:
        """Called once when the agent stops in good order, not when it is killed. Override it; by default it does nothing."""

    @property
    def _home(self) -> Resident:
        if self._resident is None:
            kind = type(self).__name__
            raise Refused(f"this {kind} lives nowhere: start it with `await bw.launch({kind}, …)`, then it can act and be asked")
        return self._resident
