"""The root of a tree of runs: a script's ``main``, performed through the gateway like everything in it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from bailiwick import codec
from bailiwick.agents import Host, Run, digest_of
from bailiwick.effects import Actuator, EffectClass, Intent, Kind, Result, Signature
from bailiwick.errors import NotFound
from bailiwick.gateway import Recollection
from bailiwick.ids import RunId, agent_of, ask_of, new_run_id, run_of
from bailiwick.ledger import Ledger

Main = Callable[..., Coroutine[Any, Any, Any]]


class Root(Actuator):
    """``main(bw, …)`` as an act. Everything it asks for, outside any agent's own run, stands under its run."""

    def __init__(self, host: Host, main: Main, first: object) -> None:
        self._host = host
        self._main = main
        self._first = first
        self.signature = Signature(main, method=True)
        self.code = digest_of(main)

    async def act(self, intent: Intent) -> Result:
        arguments = self.signature.unpack(intent.arguments)
        run = run_of(intent.id)
        sealed = self._host.gateway.last_seal(intent.agent)
        entry = sealed.seal.runs.get(run) if sealed is not None else None
        with self._host.rooted(Run(run, intent.agent, entry=entry, code=self.code)):
            return Result(value=self.signature.pack_result(await self._host.interruptions.supervise(self._main(self._first, **arguments))))


class Origin(NamedTuple):
    """Where the authority of a tree of runs comes from."""

    principal: str
    """Who answers for it."""
    grant: str
    """What pays."""
    charter: str
    """The digest of the charter it begins under."""


def new_root(name: str, arguments: bytes, now_ns: int, origin: Origin, code: str = "") -> Intent:
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
        code=code,
        **origin._asdict(),
    )


def last_root(ledger: Ledger, name: str, run: RunId | None = None) -> Intent:
    """The newest root called ``name``, or the one with id ``run``. Raises `NotFound`, saying what there is."""
    newest = Recollection(ledger).newest(name)
    wanted = run or newest
    past = ledger.find(ask_of(wanted)) if wanted else None
    if past is not None and past.intent.kind is Kind.RUN and past.intent.tool == name:
        return past.intent
    there = f"; its newest is {newest}" if newest else ""
    raise NotFound(
        f"nothing to resume: no run of `{name}`{f' with id {run}' if run else ''} is on record{there}. Start one without --resume"
    )


def arguments_of(root: Intent) -> dict[str, Any]:
    """What a run was started with, by name."""
    return codec.decode(root.arguments, dict[str, Any])
