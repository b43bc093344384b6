"""`Handle`: how agents and scripts talk to an agent, wherever it lives."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from bailiwick.errors import BadInput, Refused
from bailiwick.ids import AgentId

if TYPE_CHECKING:
    from bailiwick.agents.agent import Agent
    from bailiwick.agents.blueprint import Blueprint
    from bailiwick.agents.host import Host

A = TypeVar("A", bound="Agent", covariant=True)

here: ContextVar[Host] = ContextVar("bailiwick_host")
"""The host whose code is running: where a handle that arrives in a message belongs."""


class Handle(Generic[A]):
    """An address with the agent's actions as methods.

    ``await handle.action(…)`` asks and waits for the result; ``async for x in handle.action(…)`` follows an action that streams.
    Any number of calls may be outstanding: ``await asyncio.gather(*(handle.f(i) for i in range(1000)))``. Cancelling a call
    tells the agent to stop working on it. Handles may be sent to other agents and kept in state.

    A call raises what the action raised, with the remote traceback as a note; `BadInput` or `NoSuchAction` if it does not fit;
    `NoSuchAgent` if nobody is there; `DeadlineExceeded` (see `within`).
    """

    __slots__ = ("_blueprint", "_deadline", "_host", "_oneway", "agent_id")

    def __init__(
        self, host: Host, agent_id: AgentId, blueprint: Blueprint, *, deadline: timedelta | None = None, oneway: bool = False
    ) -> None:
        self._host = host
        self._blueprint = blueprint
        self._deadline = deadline
        self._oneway = oneway
        self.agent_id = agent_id

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        action = self._blueprint.action(name)
        if action.signature.streams:
            if self._oneway:
                raise BadInput(f"{action.qualified} streams its results: one-way makes no sense for it")
            return partial(self._host.asking.stream, self.agent_id, action, self._deadline)
        if self._oneway:
            return partial(self._host.asking.tell, self.agent_id, action, self._deadline)
        return partial(self._host.asking.ask, self.agent_id, action, self._deadline)

    def within(self, deadline: timedelta) -> Self:
        """The same handle, whose calls must be answered within ``deadline``: else the agent is told to stop and the call raises
        `DeadlineExceeded`. That too is on record: a run that is gone through again sees the same."""
        return type(self)(self._host, self.agent_id, self._blueprint, deadline=deadline, oneway=self._oneway)

    @property
    def oneway(self) -> Self:
        """The same handle, whose calls return as soon as the agent has the message. What comes of it is on record only."""
        return type(self)(self._host, self.agent_id, self._blueprint, deadline=self._deadline, oneway=True)

    async def ping(self) -> timedelta:
        """How long a message to the agent's host and back takes. Raises `NoSuchAgent`."""
        return await self._host.asking.ping(self.agent_id)

    async def shutdown(self) -> None:
        """Stop the agent in good order: its loops end, `on_shutdown` is called, its mailbox closes. Idempotent."""
        await self._host.stop(self.agent_id)

    def describe(self) -> dict[str, Any]:
        """Class, actions with their JSON schemas, and control loops."""
        return self._blueprint.describe()

    def __to_wire__(self) -> str:
        return self.agent_id

    @classmethod
    def __from_wire__(cls, value: Any) -> Handle[Any]:
        host = here.get(None)
        if host is None:
            raise Refused("a handle can be read only where agents run")
        return host.handle(AgentId(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self.agent_id == other.agent_id

    def __hash__(self) -> int:
        return hash(self.agent_id)

    def __repr__(self) -> str:
        return f"<handle to {self._blueprint.name} {self.agent_id}>"
