"""The root of a tree of runs: a script's ``main``, performed through the gateway like everything in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from bailiwick import codec
from bailiwick.agents import Host, Run
from bailiwick.effects import Actuator, EffectClass, Intent, Kind, Result, Signature
from bailiwick.errors import NotFound
from bailiwick.ids import RunId, agent_of, ask_of, new_run_id, run_of
from bailiwick.ledger import Entry

Main = Callable[..., Awaitable[Any]]


class Root(Actuator):
    """``main(bw, …)`` as an act. Everything it asks for, outside any agent's own run, stands under its run."""

    def __init__(self, host: Host, main: Main, first: object) -> None:
        self._host = host
        self._main = main
        self._first = first
        self.signature = Signature(main, method=True)

    async def act(self, intent: Intent) -> Result:
        arguments = self.signature.unpack(intent.arguments)
        with self._host.rooted(Run(run_of(intent.id), intent.agent)):
            return Result(value=self.signature.pack_result(await self._main(self._first, **arguments)))


def new_root(name: str, arguments: bytes, now_ns: int) -> Intent:
    """The intent that opens a new tree of runs."""
    run = new_run_id(now_ns)
    effect = ask_of(run)
    return Intent(
        id=effect,
        run=run,
        agent=agent_of(effect),
        position="",
        kind=Kind.RUN,
        tool=name,
        effect=EffectClass.IDEMPOTENT,
        arguments=arguments,
        at_ns=now_ns,
    )


def last_root(entries: Iterable[Entry], name: str, run: RunId | None = None) -> Intent:
    """The newest root called ``name``, or the one with id ``run``. Raises `NotFound`, saying what there is."""
    roots = [record for entry in entries if isinstance(record := entry.record, Intent) and record.kind is Kind.RUN and record.tool == name]
    found = [root for root in roots if run in (None, root.run)]
    if not found:
        there = f"; there are {', '.join(root.run for root in roots[-3:])}" if roots else ""
        wanted = f"`{name}` with id {run}" if run else f"`{name}`"
        raise NotFound(f"nothing to resume: no run of {wanted} is on record{there}. Start one without --resume")
    return found[-1]


def arguments_of(root: Intent) -> dict[str, Any]:
    """What a run was started with, by name."""
    return codec.decode(root.arguments, dict[str, Any])
