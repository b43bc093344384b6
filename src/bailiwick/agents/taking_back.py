"""Taking effects back: as effects of the run that asks for it, through the same door."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from bailiwick.agents.run import current
from bailiwick.effects import Effect, Failure, Intent, Outcome, Status, Tool, why_it_stays
from bailiwick.errors import Conflict, NotFound, Refused
from bailiwick.gateway import Undoing, undo_of
from bailiwick.ids import EffectId

if TYPE_CHECKING:
    from bailiwick.agents.host import Host
    from bailiwick.agents.run import Run

_log = logging.getLogger(__name__)

UNDONE, ALREADY, CONFLICT, FAILED, NOT_TRIED = "undone", "already undone", "conflict", "failed", "not tried"


class Undone(NamedTuple):
    """What came of taking one effect back."""

    effect: EffectId
    tool: str
    state: str
    """``undone``; ``already undone``, by somebody else meanwhile; ``conflict``: it stands, because a later change would be lost;
    ``failed``: it stands, after as many tries as were allowed; ``not tried``, because one before it failed."""
    why: str = ""

    @property
    def stands(self) -> bool:
        """Whether what the effect did is still there."""
        return self.state not in (UNDONE, ALREADY)


async def take_back(host: Host, run: Run, tool: Tool, effect: Intent, outcome: Outcome | None, *, nth: int = 1) -> Outcome:
    """What comes of taking ``effect`` back, for the ``nth`` time, as an effect of ``run``; read from the record if it was done.

    Without an ``outcome`` the effect failed or was given up, and the undo must find out what there is to take back. Raises what leaves
    it open.
    """
    undo = undo_of(effect, run=run.id, agent=run.agent, at_ns=host.clock.now_ns(), nth=nth)
    done = await host.asking.act(undo, run, Undoing(host.asking.actuator(tool), effect, outcome))
    if done.failure is not None:
        stands(effect, done.failure)
    return done


async def take_back_each(host: Host, steps: Iterable[tuple[Tool, EffectId]], *, keep_going: bool) -> list[Undone]:
    """Take ``steps`` back, one after the other, and say what came of each; up to the first that fails, or all."""
    found: list[Undone] = []
    stopped = False
    for tool, effect in steps:
        if stopped:
            found.append(Undone(effect, tool.name, NOT_TRIED, "one before it failed"))
        else:
            found.append(await _take_back_one(host, tool, effect))
            stopped = found[-1].stands and not keep_going
    return found


async def _take_back_one(host: Host, tool: Tool, effect: EffectId) -> Undone:
    run = (current.get() or host.root).run
    past = host.gateway.find(effect)
    if past is None:
        raise NotFound(f"no effect {effect} is on record", effect=effect)
    why = why_it_stays(Effect(seq=0, intent=past.intent, outcome=past.outcome, erased=(1,) if past.erased else ()))
    if why:
        raise Refused(f"`{past.intent.tool}` {effect} is not taken back: {why}", effect=effect)
    nth = 1
    while (earlier := host.gateway.find(undo_of(past.intent, run=run.id, agent=run.agent, at_ns=0, nth=nth).id)) is not None:
        if earlier.outcome is None:  # Cut off by a crash: it goes on.
            break
        if earlier.outcome.status is Status.DONE:
            return Undone(effect, tool.name, ALREADY)
        nth += 1
    happened = past.outcome if past.outcome is not None and past.outcome.status is Status.DONE else None
    done = await take_back(host, run, tool, past.intent, happened, nth=nth)
    if done.failure is None:
        return Undone(effect, tool.name, UNDONE)
    return Undone(effect, tool.name, CONFLICT if done.failure.code == Conflict.code else FAILED, done.failure.message)


def stands(effect: Intent, failure: Failure) -> None:
    """Say where people look that ``effect`` could not be taken back."""
    _log.error(
        "%s could not be taken back, and stands: %s", effect.tool, failure.message, extra={"event": "undo_failed", "effect": effect.id}
    )
