"""Tools that can say what became of a call, or take it back."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from bailiwick import codec
from bailiwick.effects import UNKNOWN, Actuator, Function, Happened, Intent, Outcome, Result, Signature, Tool, Unanswered
from bailiwick.errors import Failed

if TYPE_CHECKING:
    from bailiwick.clock import Clock
    from bailiwick.tools.functions import Threads


class Recourse(Actuator):
    """What ``acting`` does, together with the tool's declared probe and undo. Those run in the event loop, or in a thread if they
    are plain functions, also where the tool itself runs in a worker process."""

    def __init__(self, acting: Actuator, tool: Tool, threads: Threads, clock: Clock) -> None:
        self.estimate = acting.estimate
        self.conduct = tool.conduct
        self.takes = tool.signature
        self._acting = acting
        self._tool = tool
        self._threads = threads
        self._now_ns = clock.monotonic_ns

    async def act(self, intent: Intent) -> Result:
        return await self._acting.act(intent)

    async def probe(self, intent: Intent) -> Happened[Result] | Unanswered:
        answer = await self._call(self._tool.probe, intent)
        match answer:
            case Happened():
                return Happened(Result(value=self._tool.signature.pack_result(cast("Happened[object]", answer).value)))
            case Unanswered():
                return answer
            case _:
                raise Failed(f"the probe of {self._tool.name} returned {answer!r:.80}; it returns Happened(value), NOT_HAPPENED or UNKNOWN")

    async def undo(self, intent: Intent, outcome: Outcome | None) -> Result:
        result = self._tool.signature.unpack_result(outcome.value) if outcome is not None else None
        return Result(value=codec.encode(await self._call(self._tool.undo, intent, result=result)))

    async def _call(self, function: Function | None, intent: Intent, **extra: Any) -> Any:
        if function is None:
            return UNKNOWN
        signature = Signature(function)
        known = self._tool.signature.unpack(intent.arguments, intent.idempotency_key) | extra
        given = {name: known[name] for name in signature.parameters if name in known}
        if signature.takes_key is not None:
            given[signature.takes_key] = intent.idempotency_key
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        return (await self._threads.call(self._tool.name, partial(function, **given), self._now_ns)).value
