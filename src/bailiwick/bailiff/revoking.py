"""Revoking: a person takes back what was granted, on record, so that every host that reads it admits nothing more under it."""

from __future__ import annotations

from msgspec.structs import replace

from bailiwick.bailiff.desk import Duties, ask_desk, is_at_desk
from bailiwick.bailiff.opening import open_record
from bailiwick.bailiff.records import Revoke, Revoked
from bailiwick.bailiff.settings import Settings
from bailiwick.clock import Clock
from bailiwick.effects import Revocation
from bailiwick.gateway import Gateway
from bailiwick.grants import Revocations


def revocation_duties(gateway: Gateway) -> Duties:
    """What the desk answers about grants."""

    async def take_back(message: Revoke) -> Revoked:
        taken = gateway.revoke(message.revocation)
        await gateway.barrier()
        return Revoked(revocation=taken.record, grants=tuple(grant.id for grant in taken.grants))

    return {Revoke: take_back}


async def revoke(settings: Settings, record: Revocation, *, clock: Clock) -> Revocation:
    """Put ``record`` on record, in the name of the settings' principal, and return it, durable.

    By the process that runs, if there is one: when this returns it admits nothing more under it. Else here, and it counts from the next
    start on. Raises `BadInput` for what revokes nothing, and what `open_record` does; then nothing was recorded.
    """
    made = replace(record, who=record.who or settings.principal, at_ns=record.at_ns or clock.now_ns())
    Revocations().apply(made)
    if is_at_desk(settings):
        return (await ask_desk(settings, Revoke(revocation=made), Revoked)).revocation
    async with open_record(settings, clock) as ledger:
        ledger.append(made)
    return made
