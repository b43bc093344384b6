"""Worlds for tests of approvals: a record in memory, a docket that sees every entry, and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.charter import Approval, OnTimeout
from bailiwick.effects import EffectClass, Intent, Kind, Outcome, Record, Request, Ruling, RulingVerdict, Status
from bailiwick.gateway import Approvals, Asked, Docket
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Ledger
from bailiwick.testing import VirtualClock, run
from tests.worlds import KeptLedger

CHARTER = "9f" * 8
AGENT = AgentId("agt_0123456789ab" + "01" * 10)
RUN = RunId("run_0123456789ab" + "02" * 10)
MINUTE = timedelta(minutes=1)


def intent(
    number: int = 1, *, amount: int = 7, effect: EffectClass = EffectClass.IRREVERSIBLE, tool: str = "pay", run: RunId = RUN
) -> Intent:
    return Intent(
        id=EffectId(f"eff_0123456789ab{number:020x}"),
        run=run,
        agent=AGENT,
        position=str(number),
        kind=Kind.TOOL,
        tool=tool,
        effect=effect,
        arguments=codec.encode({"amount": amount}),
    )


def approval(*ask: str, need: int = 1, within: timedelta = 10 * MINUTE, hold: bool = False, escalate_to: Sequence[str] = ()) -> Approval:
    return Approval(
        tool="pay",
        name="big payments",
        ask=ask,
        need=need,
        within_s=within.total_seconds(),
        on_timeout=OnTimeout.HOLD if hold else OnTimeout.REJECT,
        escalate_to=tuple(escalate_to),
    )


class Desk:
    """Approvals over a record that can be gone on with by another process."""

    def __init__(self, ledger: Ledger | None = None, **given: Any) -> None:
        self.ledger = ledger or KeptLedger()
        self.clock = VirtualClock()
        self.docket = Docket()
        for entry in self.ledger.entries():
            self.docket.note(entry.seq, entry.record)
        self.approvals = Approvals(self.append, self.ledger, self.clock, principal="ada", docket=self.docket, **given)

    def append(self, *records: Record) -> int:
        last = self.ledger.append(*records)
        for seq, record in enumerate(records, last - len(records) + 1):
            self.docket.note(seq, record)
        return last

    def ask(self, asked: Intent, *approvals: Approval, charter: str = CHARTER) -> asyncio.Task[Intent]:
        return asyncio.ensure_future(self.approvals.cleared(asked, approvals, charter))

    async def parked(self, asked: Intent, *approvals: Approval, charter: str = CHARTER) -> asyncio.Task[Intent]:
        """The effect once it waits."""
        task = self.ask(asked, *approvals, charter=charter)
        await self.turn()
        assert not task.done()
        return task

    async def turn(self) -> None:
        await self.clock.sleep(timedelta(0))
        await self.clock.sleep(timedelta(0))

    def request(self, effect: EffectId) -> Request:
        return self.docket.cases[effect].newest

    def said(self, asked: Intent, who: str = "ada", verdict: str = "approve", **more: Any) -> Ruling:
        """A ruling on what is asked for now."""
        newest = self.request(asked.id)
        return Ruling(
            id=asked.id,
            action=newest.action,
            charter=newest.charter,
            number=newest.number,
            who=who,
            verdict=RulingVerdict(verdict),
            **more,
        )

    def rule(self, asked: Intent, who: str = "ada", verdict: str = "approve", **more: Any) -> Any:
        return self.approvals.rule(self.said(asked, who, verdict, **more))

    def requests(self) -> list[Request]:
        return [entry.record for entry in self.ledger.entries() if isinstance(entry.record, Request)]

    def act(self, through: Intent) -> None:
        """What the gateway does with an effect that was let through."""
        self.append(through)
        self.append(Outcome(id=through.id, status=Status.DONE))


def changed(amount: int) -> bytes:
    return codec.encode({"amount": amount})


def decides(*approvals: Approval, charter: str = CHARTER) -> Any:
    """A charter that wants the same of every call."""
    return lambda _: Asked(approvals, charter)


@asynccontextmanager
async def at(ledger: Ledger | None = None, **given: Any) -> AsyncGenerator[Desk]:
    desk = Desk(ledger, **given)
    try:
        yield desk
    finally:
        await desk.approvals.close()


def other_arguments(asked: Intent, amount: int) -> Intent:
    return replace(asked, arguments=changed(amount))


def at_a_desk(scenario: Callable[[Desk], Awaitable[None]], **given: Any) -> None:
    """Run ``scenario`` to its end, in virtual time."""

    async def whole() -> None:
        async with at(**given) as desk:
            await scenario(desk)

    run(whole())
