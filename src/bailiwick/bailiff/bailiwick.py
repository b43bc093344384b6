"""`Bailiwick`: the area of authority a script works in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from bailiwick.agents import STEP_EFFECTS, Acting, Agent, Cursor, Handle, Host, Undone, steps, take_back_each
from bailiwick.bailiff.amending import Amending, under_the_same
from bailiwick.bailiff.records import Amendment
from bailiwick.bailiff.root import Main, Origin, Root, last_root, new_root
from bailiwick.bailiff.watched import Watched
from bailiwick.charter import Charter
from bailiwick.clock import Clock
from bailiwick.codec import decode, encode
from bailiwick.effects import EffectClass, Intent, Kind, Outcome, Seal, Tool, rebuild
from bailiwick.errors import ActionFailed
from bailiwick.gateway import AMEND, SESSION, Gateway
from bailiwick.grants import Purse
from bailiwick.ids import EffectId, RunId, ask_of
from bailiwick.ledger import Ledger

A = TypeVar("A", bound=Agent)
T = TypeVar("T")

NO_ARGUMENTS = encode({})
CHARTER = "charter"
"""The name of runs that change the charter."""
UNDO = "undo"
"""The name of runs that take back what others did."""


class Bailiwick(Acting):
    """What a script holds: it launches agents, uses tools and runs ``main``. Made by `bailiwick.session` and by ``bailiwick run``.

    The script's own calls stand on the record under a run, as an agent's do: that of ``main``, or of the session.
    """

    def __init__(self, ledger: Ledger, gateway: Gateway, host: Host, clock: Clock, origin: Origin, configured: str) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._hosted = host
        self._clock = clock
        self._origin = origin
        self._configured = configured
        self._undoing = asyncio.Lock()
        self.record = Watched(ledger, gateway)
        """The record, for those who watch."""

    @property
    def purse(self) -> Purse:
        """What this process was granted, holds and has spent."""
        return self._gateway.authority.everybody.purse

    def discover(self, kind: type[A], *, name: str | None = None) -> list[Handle[A]]:
        """Handles to the agents here that are of class ``kind`` or a subclass, in order of launch."""
        return self._host.discover(kind, name=name)

    async def run(self, main: Main, /, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Call ``await main(bw, *args, **kwargs)`` as a new run called ``name`` and return what it returns, durable by then.

        After a crash, `resume` goes on with it. Raises what ``main`` raises.
        """
        root = Root(self._host, main, self)
        return await self._perform(root, self._new(name or _name(main), root.signature.pack(args, kwargs), root.code))

    async def run_texts(self, main: Main, texts: Sequence[str], *, name: str) -> Any:
        """Like `run`, with arguments as a person types them, read as ``main``'s hints say. Raises `BadInput`."""
        root = Root(self._host, main, self)
        return await self._perform(root, self._new(name, root.signature.parse(texts), root.code))

    async def resume(self, main: Main, /, *, name: str | None = None, run: RunId | None = None) -> Any:
        """Go on with the newest run called ``name``, or with ``run``, from its record: with the arguments it was started with, and
        without doing anything again that has an outcome. A run that has ended returns what it returned. Raises `NotFound`."""
        root = last_root(self._ledger, name or _name(main), run)
        self._gateway.resume(root.run)
        return await self._perform(Root(self._host, main, self), root)

    def steps(self, items: Iterable[T] | AsyncIterable[T], *, every: int = STEP_EFFECTS) -> AsyncIterator[T]:
        """A loop of ``main`` that seals by itself; see `Agent.steps`. A script has no state: what its steps add up to belongs to agents."""

        async def seal(cursor: Cursor, step: int) -> None:
            run = cursor.run
            self._gateway.seal(Seal(agent=run.agent, state=b"", at_ns=self._clock.now_ns(), runs={run.id: cursor.place(step)}))
            run.unsealed = 0
            await self._gateway.barrier()

        return steps(items, every, seal)

    async def undo(self, steps: Sequence[tuple[Tool, EffectId]], *, keep_going: bool = False) -> list[Undone]:
        """Take effects back, in the order of ``steps``, each by what its tool declares, in a run of its own called ``undo``.

        Returns what came of each; after the first that fails the others are not tried, unless ``keep_going``. What a crash cut off
        goes on when the same is asked for again; nothing is taken back twice. Raises `NotFound` or `Refused` for an effect
        that cannot be taken back (see `plan_undo`), with those before it taken back.
        """

        async def undo(_: Bailiwick, effects: list[EffectId], keep_going: bool) -> list[Undone]:
            tools = [tool for tool, _ in steps]
            return await take_back_each(self._host, zip(tools, effects, strict=True), keep_going=keep_going)

        root = Root(self._host, undo, self)
        arguments = root.signature.pack(([effect for _, effect in steps], keep_going), {})
        async with self._undoing:
            self._withdraw_cut_off(UNDO)
            return await self._perform(root, self._new(UNDO, arguments, root.code))

    async def amend(self, charter: Charter, *, who: str = "", why: str = "") -> Charter:
        """Put ``charter`` in force, at once and for everybody, in a run of its own called ``charter``; return the one it replaced, with
        which it can be taken back. What waits for people is asked anew.

        Raises `BadInput` with everything that speaks against loading it, and `NotAllowed` unless the charter in force allows
        ``charter.amend``.
        """
        authority = self._gateway.authority
        under_the_same(authority, charter)
        amendment = Amendment(charter=charter, instead_of=self._configured, who=who or self._origin.principal, why=why)
        arguments = encode(amendment)

        async def change(_: Bailiwick) -> Charter:
            intent, run = self._host.asking.intent(Kind.TOOL, AMEND, EffectClass.COMPENSABLE, arguments)
            outcome = await self._host.asking.act(intent, run, Amending(authority))
            _raise_failure(outcome)
            return decode(outcome.value, Charter)

        root = Root(self._host, change, self)
        async with self._undoing:
            self._withdraw_cut_off(CHARTER)
            replaced: Charter = await self._perform(root, self._new(CHARTER, NO_ARGUMENTS, root.code))
        self._gateway.approvals.reconsider()
        return replaced

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[None]:
        """Keep a run open for code that is not inside ``main``: a notebook, a test, a service. It ends with the block."""
        ended = asyncio.Event()
        opened = asyncio.Event()

        async def session(_: Bailiwick) -> None:
            opened.set()
            await ended.wait()

        intent = self._new(SESSION, NO_ARGUMENTS)
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

    @property
    def _host(self) -> Host:
        return self._hosted

    def _withdraw_cut_off(self, name: str) -> None:
        """Nobody goes on with the newest run called ``name``, if a crash cut it off: another takes its place."""
        cut_off = self._gateway.past.newest(name)
        past = self._gateway.find(ask_of(cut_off)) if cut_off is not None else None
        if past is not None:
            self._gateway.withdraw(past.intent)

    def _new(self, name: str, arguments: bytes, code: str = "") -> Intent:
        return new_root(name, arguments, self._clock.now_ns(), self._origin, code)

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
