"""Launching as an effect: the agent comes to life when it is first performed, and again whenever it is read from the record."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from bailiwick import codec
from bailiwick.agents.agent import Agent
from bailiwick.agents.answering import invocation
from bailiwick.agents.blueprint import Blueprint
from bailiwick.agents.control import start_loops
from bailiwick.agents.resident import Resident
from bailiwick.agents.run import Cursor, Run, current
from bailiwick.effects import Actuator, Intent, Outcome, Result, Seal, Status
from bailiwick.errors import BadInput
from bailiwick.gateway import Terms
from bailiwick.grants import Low
from bailiwick.ids import AgentId, EffectId, agent_of, nested_run_id
from bailiwick.mailboxes import Ask

if TYPE_CHECKING:
    from bailiwick.agents.host import Host


_log = logging.getLogger(__name__)


class Spawned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The arguments of a spawn: enough to make the agent again."""

    path: str
    """``module:Class``."""
    name: str
    arguments: bytes
    terms: Terms = Terms()
    """Under what it acts."""


class Spawn(Actuator):
    """Makes one agent on one host."""

    def __init__(self, host: Host, blueprint: Blueprint, spawned: Spawned) -> None:
        self._host = host
        self._blueprint = blueprint
        self._spawned = spawned
        self._resident: Resident | None = None

    async def act(self, intent: Intent) -> Result:
        agent_id = agent_of(intent.id)
        await self._bring_to_life(agent_id, intent.agent)
        return Result(value=codec.encode(agent_id))

    async def recall(self, intent: Intent, outcome: Outcome, outcome_seq: int) -> None:
        agent_id = agent_of(intent.id)
        if outcome.status is Status.DONE and agent_id not in self._host.residents:
            await self._bring_to_life(agent_id, intent.agent)

    def seal(self) -> Seal | None:
        return self._resident and self._resident.seal()

    async def _bring_to_life(self, agent_id: AgentId, launched_by: AgentId) -> None:
        """Arguments, then the newest seal, then what was answered since; then mail and loops may begin."""
        gateway = self._host.gateway
        spent = gateway.past.spent_by(agent_id)
        gateway.authority.launched(launched_by, agent_id, self._blueprint.name, self._spawned.terms, spent)
        home = Resident(self._host, agent_id, self._spawned.name, self._blueprint)
        self._blueprint.build(home.agent, self._spawned.arguments)
        sealed = self._host.gateway.last_seal(agent_id)
        if sealed is not None:
            home.restore(sealed)
        if type(home.agent).on_startup is not Agent.on_startup:
            outside = current.set(Cursor(Run(nested_run_id(agent_id, "on_startup"), agent_id)))
            try:
                await home.agent.on_startup()
            finally:
                current.reset(outside)
        past = self._host.gateway.past
        for answered in past.unsealed(agent_id) if self._blueprint.keeps_state else ():
            found = self._host.gateway.find(answered)
            if found is not None and found.outcome is not None:
                await invocation(home, Ask(intent=found.intent, reply_to="")).rebuild(found.intent, found.outcome)
        await self._host.settle_in(home)
        self._resident = home
        for child in past.spawned(agent_id):
            await resurrect(self._host, child)
        home.loops = start_loops(home)
        if type(home.agent).on_low is not Agent.on_low:
            gateway.authority.of(agent_id).purse.on_low(partial(_tell_low, self._host, home, count()))


def _tell_low(host: Host, home: Resident, calls: Iterator[int], low: Low) -> None:
    async def tell() -> None:
        outside = current.set(Cursor(Run(nested_run_id(home.id, f"on_low@{host.id}/{next(calls)}"), home.id)))
        try:
            await home.agent.on_low(low)
        except Exception as error:
            _log.error("on_low of %s failed", home.name, exc_info=error, extra={"event": "on_low_failed", "agent": home.id})
        finally:
            current.reset(outside)

    host.start_task(tell())


async def resurrect(host: Host, effect: EffectId) -> None:
    """Bring back an agent whose launch is on record and will not be asked for again, because the run that launched it has ended."""
    past = host.gateway.find(effect)
    if past is not None:
        spawned = codec.decode(past.intent.arguments, Spawned)
        await host.gateway.perform(past.intent, Spawn(host, Blueprint.of(class_at(spawned.path)), spawned))


def class_at(path: str) -> type[Agent]:
    """The agent class at ``module:Class``, from the modules that are imported already. Raises `BadInput`."""
    module, _, name = path.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, Agent)):
        raise BadInput(f"the record names the agent class {path}, which is not here: import the module that defines it")
    return found
