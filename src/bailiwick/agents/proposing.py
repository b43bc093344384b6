"""Asking people for all that a run means to do, once, before any of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bailiwick import codec
from bailiwick.charter import Approval
from bailiwick.effects import EffectClass, Kind, Outcome, Planned, Status, describe, rebuild
from bailiwick.errors import NotAllowed, Rejected
from bailiwick.ids import AgentId

if TYPE_CHECKING:
    from bailiwick.agents.host import Host


async def propose(host: Host, plan: Sequence[Planned], why: str) -> None:
    """See `Agent.propose_plan`."""
    intent, run = host.asking.intent(Kind.PLAN, "plan", EffectClass.PURE, codec.encode(list(plan)))
    past = host.gateway.find(intent.id)
    if run.rebuilding or (past is not None and past.outcome is not None):
        failure = past.outcome.failure if past is not None and past.outcome is not None else None
        if failure is not None:
            raise rebuild(failure, NotAllowed)
        return
    gateway = host.gateway
    mandate = gateway.authority.of(intent.agent)
    outcome = Outcome(id=intent.id, status=Status.DONE, started_ns=intent.at_ns, ended_ns=host.clock.now_ns())
    refusal: Rejected | None = None
    try:
        asked, digest, who = _who_must_agree(host, intent.agent, plan), mandate.charter.digest, mandate.principal
        await gateway.approvals.cleared(intent, asked, digest, why, principal=who, plan=plan)
    except Rejected as error:
        refusal = error
        outcome = Outcome(id=intent.id, status=Status.REFUSED, failure=describe(error), ended_ns=host.clock.now_ns())
    gateway.note(intent, outcome)
    if refusal is not None:
        raise refusal


def _who_must_agree(host: Host, agent: AgentId, plan: Sequence[Planned]) -> list[Approval]:
    """The approvals that any call of the plan may need, conditions aside."""
    charter = host.gateway.authority.of(agent).charter
    found: dict[int, Approval] = {}
    for planned in plan:
        for effect in EffectClass:
            for entry in charter.covering(planned.tool, effect):
                if entry.approval is not None and not entry.permits:
                    found[entry.number] = entry.approval
    return list(found.values())
