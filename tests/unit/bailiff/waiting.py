"""A bailiwick's gateway as far as approvals go, for tests: a record in a file, effects that wait, a desk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bailiwick import codec
from bailiwick.bailiff import Settings, approval_duties, desk
from bailiwick.bailiff.desk import Admission
from bailiwick.bailiff.opening import open_ledger
from bailiwick.charter import Approval
from bailiwick.clock import SystemClock
from bailiwick.effects import EffectClass, Intent, Kind, Outcome, Record, Status
from bailiwick.gateway import Approvals, Docket
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Ledger

RUN = RunId("run_0123456789ab" + "02" * 10)
AGENT = AgentId("agt_0123456789ab" + "01" * 10)
CHARTER = "9f" * 8


class Door:
    """What a gateway does around approvals: it appends, notes, asks, acts."""

    def __init__(self, ledger: Ledger, principal: str) -> None:
        self.ledger = ledger
        self.docket = Docket()
        for entry in ledger.entries():
            self.docket.note(entry.seq, entry.record)
        self.approvals = Approvals(self.append, ledger, SystemClock(), principal=principal, docket=self.docket)
        self.acted: list[Intent] = []

    def append(self, *records: Record) -> int:
        last = self.ledger.append(*records)
        for seq, record in enumerate(records, last - len(records) + 1):
            self.docket.note(seq, record)
        return last

    async def barrier(self) -> None:
        await self.ledger.barrier()

    async def perform(self, asked: Intent, *approvals: Approval) -> Intent:
        past = self.ledger.find(asked.id)
        if past is not None and past.outcome is not None:
            return past.intent
        through = await self.approvals.cleared(asked, approvals, CHARTER)
        self.append(through)
        await self.ledger.barrier()
        self.acted.append(through)
        self.append(Outcome(id=through.id, status=Status.DONE, value=codec.encode(None), started_ns=through.at_ns, ended_ns=through.at_ns))
        await self.ledger.barrier()
        return through


def intent(number: int, *, tool: str = "pay", effect: EffectClass = EffectClass.IRREVERSIBLE, **arguments: object) -> Intent:
    return Intent(
        id=EffectId(f"eff_0123456789ab{number:020x}"),
        run=RUN,
        agent=AGENT,
        position=str(number),
        kind=Kind.TOOL,
        tool=tool,
        effect=effect,
        arguments=codec.encode(arguments),
        at_ns=SystemClock().now_ns(),
    )


@asynccontextmanager
async def open_door(settings: Settings, *, with_desk: bool = True, admit: Admission = lambda _: "") -> AsyncGenerator[Door]:
    """A door over the record of ``settings``. Unless ``admit`` says otherwise, people in this very process may come to its desk."""
    ledger = open_ledger(settings)
    try:
        door = Door(ledger, settings.principal)
        if with_desk:
            async with desk(settings, approval_duties(door.approvals, door), admit=admit):
                yield door
        else:
            yield door
        await door.approvals.close()
    finally:
        await ledger.close()


async def park(door: Door, *asked: tuple[Intent, Approval]) -> list[asyncio.Task[Intent]]:
    """Effects that wait, their requests durable."""
    tasks = [asyncio.ensure_future(door.perform(each, approval)) for each, approval in asked]
    while len(door.approvals.waiting()) < len(tasks):
        await asyncio.sleep(0.001)
    await door.barrier()
    return tasks


async def leave(tasks: list[asyncio.Task[Intent]]) -> None:
    """As a process does that is stopped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
