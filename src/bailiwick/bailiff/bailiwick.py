"""`Bailiwick`: the area of authority a script works in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from bailiwick.agents import Agent, Handle, Host, Receipt
from bailiwick.bailiff.root import Main, Root, last_root, new_root
from bailiwick.clock import Clock
from bailiwick.codec import encode
from bailiwick.effects import Intent, Outcome, Tool, rebuild
from bailiwick.errors import ActionFailed
from bailiwick.gateway import SESSION, Gateway
from bailiwick.grants import Purse
from bailiwick.ids import RunId
from bailiwick.ledger import Entry, Ledger

A = TypeVar("A", bound=Agent)

NO_ARGUMENTS = encode({})


class Bailiwick:
    """What a script holds: it launches agents, uses tools and runs ``main``. Made by `bailiwick.session` and by ``bailiwick run``.

    The script's own calls stand on the record under a run, as an agent's do: that of ``main``, or of the session.
    """

    def __init__(self, ledger: Ledger, gateway: Gateway, host: Host, purse: Purse, clock: Clock) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._host = host
        self._clock = clock
        self.purse = purse
        """What this process was granted, holds and has spent."""

    def launch(self, kind: type[A], /, *args: Any, name: str | None = None, **state: Any) -> Coroutine[Any, Any, Handle[A]]:
        """Start an agent and return a handle to it; see `Agent.launch`."""
        return self._host.launch(kind, args, state, name)

    def use(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Have a tool act, through the gateway, and return its value; see `Agent.use`."""
        return self._host.asking.use(tool, args, kwargs)

    def perform(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Receipt]:
        """Like `use`, with the value's provenance; see `Agent.perform`."""
        return self._host.asking.perform(tool, args, kwargs)

    def discover(self, kind: type[A], *, name: str | None = None) -> list[Handle[A]]:
        """Handles to the agents here that are of class ``kind`` or a subclass, in order of launch."""
        return self._host.discover(kind, name=name)

    async def run(self, main: Main, /, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Call ``await main(bw, *args, **kwargs)`` as a new run called ``name`` and return what it returns, durable by then.

        After a crash, `resume` goes on with it. Raises what ``main`` raises.
        """
        root = Root(self._host, main, self)
        return await self._perform(root, new_root(name or _name(main), root.signature.pack(args, kwargs), self._clock.now_ns()))

    async def run_texts(self, main: Main, texts: Sequence[str], *, name: str) -> Any:
        """Like `run`, with arguments as a person types them, read as ``main``'s hints say. Raises `BadInput`."""
        root = Root(self._host, main, self)
        return await self._perform(root, new_root(name, root.signature.parse(texts), self._clock.now_ns()))

    async def resume(self, main: Main, /, *, name: str | None = None, run: RunId | None = None) -> Any:
        """Go on with the newest run called ``name``, or with ``run``, from its record: with the arguments it was started with, and
        without doing anything again that has an outcome. A run that has ended returns what it returned. Raises `NotFound`."""
        root = last_root(self._ledger, name or _name(main), run)
        self._gateway.resume(root.run)
        return await self._perform(Root(self._host, main, self), root)

    def newest(self, name: str) -> RunId | None:
        """The newest run called ``name`` on this record, under way or ended; None if there never was one."""
        return self._gateway.past.newest(name)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The durable entries of the record, for those who watch."""
        return self._ledger.entries(after)

    async def barrier(self) -> None:
        """Return once all that is on record so far is durable, and so among `entries`. Raises `LedgerUnavailable`."""
        await self._gateway.barrier()

    def recorded_until(self) -> int:
        """The number of the newest entry of the record."""
        return self._ledger.head().seq

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[None]:
        """Keep a run open for code that is not inside ``main``: a notebook, a test, a service. It ends with the block."""
        ended = asyncio.Event()
        opened = asyncio.Event()

        async def session(_: Bailiwick) -> None:
            opened.set()
            await ended.wait()

        intent = new_root(SESSION, NO_ARGUMENTS, self._clock.now_ns())
        holding = asyncio.ensure_future(self._gateway.perform(intent, Root(self._host, session, self)))
        opening = asyncio.ensure_future(opened.wait())
        await asyncio.wait([holding, opening], return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        if holding.done():
            _raise_failure(holding.result())
        try:
            yield
        finally:
            ended.set()
            await holding

    async def _perform(self, root: Root, intent: Intent) -> Any:
        outcome = await self._gateway.perform(intent, root)
        await self._gateway.barrier()
        _raise_failure(outcome)
        return root.signature.unpack_result(outcome.value)


def _raise_failure(outcome: Outcome) -> None:
    if outcome.failure is not None:
        raise rebuild(outcome.failure, ActionFailed)


def _name(main: Main) -> str:
    return f"{main.__module__}:{main.__qualname__}"
