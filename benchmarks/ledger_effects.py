"""What the ledgers are filled with when they are measured."""

from __future__ import annotations

import time
from functools import cache

from bailiwick.effects import EffectClass, Intent, Kind, Outcome, Status
from bailiwick.ids import agent_of, ask_of, effect_id, new_run_id

GROUPED_ENTRIES = 40_000


@cache
def effects() -> list[tuple[Intent, Outcome]]:
    """Effects of the size that those of a campaign have: the intent takes some 320 bytes, the outcome some 140."""
    run = new_run_id(time.time_ns())
    agent = agent_of(ask_of(run))
    made: list[tuple[Intent, Outcome]] = []
    for number in range(GROUPED_ENTRIES // 2):
        effect, now_ns = effect_id(run, str(number)), time.time_ns()
        intent = Intent(
            id=effect,
            run=run,
            agent=agent,
            position=str(number),
            kind=Kind.TOOL,
            tool="ionisation_energy",
            effect=EffectClass.IDEMPOTENT,
            arguments=bytes(100),
            at_ns=now_ns,
        )
        made.append((intent, Outcome(id=effect, status=Status.DONE, value=bytes(40), started_ns=now_ns, ended_ns=now_ns)))
    return made
