"""The composition root: the parts of a bailiwick are put together and introduced to each other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bailiwick.agents import Host
from bailiwick.bailiff.amending import amendment_duties, go_on_amended
from bailiwick.bailiff.bailiwick import Bailiwick
from bailiwick.bailiff.deciding import approval_duties
from bailiwick.bailiff.desk import desk
from bailiwick.bailiff.opening import authority_of, open_ledger
from bailiwick.bailiff.revoking import revocation_duties
from bailiwick.bailiff.root import Origin
from bailiwick.bailiff.settings import Settings, load
from bailiwick.bailiff.signing import notary_for
from bailiwick.charter.firewall import Judge
from bailiwick.clock import Clock, SystemClock
from bailiwick.effects import Actuator, Tool
from bailiwick.gateway import Gateway
from bailiwick.ids import new_grant_id
from bailiwick.ledger import Ledger
from bailiwick.mailboxes import Mailboxes
from bailiwick.mailboxes.backends.local import LocalMailboxes
from bailiwick.tools import Toolbox

ActuatorOf = Callable[[Tool], Actuator]
Around = Callable[[ActuatorOf], ActuatorOf]
Carrying = Callable[[Mailboxes], Mailboxes]


@asynccontextmanager
async def open_bailiwick(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ledger: Ledger | None = None,
    around: Around | None = None,
    carrying: Carrying | None = None,
    judge: Judge | None = None,
) -> AsyncGenerator[Bailiwick]:
    """Everything an agent needs, put together; taken apart in good order at the end of the block, also after an error.

    ``ledger`` replaces the one that ``settings`` name; it is closed too. ``around`` is given what would act on each tool, and says what
    does instead; ``carrying`` likewise for what carries mail. ``judge`` is asked about calls that no rule of the charter's firewall knows.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as closing:
        own = ledger is None
        ledger = ledger or open_ledger(settings)
        closing.push_async_callback(ledger.close)
        notary = notary_for(settings, ledger, clock, settings.anchors) if own else None
        if notary is not None:
            closing.push_async_callback(notary.close)
        authority = authority_of(settings, clock, judge)
        gateway = Gateway(ledger, authority, clock, notary)
        closing.push_async_callback(gateway.approvals.close)
        if gateway.past.amended:
            go_on_amended(authority, gateway.past.amended, settings.charter)
        toolbox = Toolbox(clock, workers=settings.workers)
        closing.push_async_callback(toolbox.close)
        actuator_of = around(toolbox.actuator) if around is not None else toolbox.actuator
        host = Host(
            gateway,
            carrying(LocalMailboxes()) if carrying is not None else LocalMailboxes(),
            clock,
            actuator_of,
            mailbox_capacity=settings.mailbox_capacity,
        )
        await host.open()
        closing.push_async_callback(host.close)
        origin = Origin(principal=settings.principal, grant=new_grant_id(clock.now_ns()), charter=authority.everybody.charter.digest)
        bailiwick = Bailiwick(ledger, gateway, host, clock, origin, settings.charter.digest)
        if own:  # Nobody decides in a replay.
            duties = {**approval_duties(gateway.approvals, gateway), **revocation_duties(gateway), **amendment_duties(bailiwick)}
            await closing.enter_async_context(desk(settings, duties))
        yield bailiwick


@asynccontextmanager
async def session(*, clock: Clock | None = None, judge: Judge | None = None, **settings: Any) -> AsyncGenerator[Bailiwick]:
    """``async with bailiwick.session(ledger="memory") as bw:`` a bailiwick with a session, for notebooks, tests and services.

    ``settings`` are the fields of `Settings`; files and environment supply the rest. Raises `BadInput`, `LedgerUnavailable`.
    """
    async with open_bailiwick(load(**settings), clock=clock, judge=judge) as bailiwick, bailiwick.session():
        yield bailiwick
