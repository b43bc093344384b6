"""Settling: what a person found out about an effect in doubt is put on record, so that its run can go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from bailiwick.bailiff.opening import authority_of, is_written_elsewhere, open_record
from bailiwick.bailiff.settings import Settings
from bailiwick.clock import Clock
from bailiwick.effects import Attempt, Failure, Happened, Intent, Kind, Outcome, Settlement, Settler, Status, Unanswered
from bailiwick.errors import NotFound, Refused
from bailiwick.gateway import Gateway
from bailiwick.ids import EffectId
from bailiwick.ledger import Past

Finding = Happened[bytes] | Failure | Literal[Unanswered.NOT_HAPPENED]
"""What somebody found out: it happened, and returned this (encoded); it ended badly, and its run is told so; or it did not happen,
and may be tried again."""

_LOCKS = Path("/proc/locks")


async def settle(settings: Settings, effect: EffectId, finding: Finding, *, why: str, clock: Clock) -> Outcome | Attempt:
    """Put on record what somebody found out about ``effect``, and return that record, durable.

    Nobody may be writing the record meanwhile. Raises `Refused` if the effect is not in doubt, `NotFound` if it is not on record, and what
    `open_record` does; then nothing was recorded. After a crash it is recorded or not.
    """
    async with open_record(settings, clock) as ledger:
        past = ledger.find(effect)
        if past is None:
            raise NotFound(f"no effect {effect} is on record", effect=effect)
        settlement = Settlement(by=Settler.PERSON, who=settings.principal, why=why)
        found = settled(past, finding, settlement, clock.now_ns())
        Gateway(ledger, authority_of(settings, clock), clock).settle(effect, found)
    return found


def settled(past: Past, finding: Finding, settlement: Settlement, now_ns: int) -> Outcome | Attempt:
    """The record that says ``finding`` of an effect. Raises `Refused` if there is nothing to say."""
    intent, effect = past.intent, past.intent.id
    check_unsettled(intent, past.outcome)
    match finding:
        case Happened(value):
            return Outcome(id=effect, status=Status.DONE, value=value, settlement=settlement, started_ns=intent.at_ns, ended_ns=now_ns)
        case Failure():
            return Outcome(
                id=effect, status=Status.FAILED, failure=finding, settlement=settlement, started_ns=intent.at_ns, ended_ns=now_ns
            )
        case _:
            if past.attempt is not None and not past.attempt.begun:
                raise Refused(f"effect {effect} may be tried again already: resume its run", effect=effect)
            number = 1 if past.attempt is None else past.attempt.number
            return Attempt(id=effect, number=number + 1, settlement=settlement, begun=False, at_ns=now_ns)


def check_unsettled(intent: Intent, outcome: Outcome | None) -> None:
    """Return if there may be something to settle. Raises `Refused`, saying what to do instead."""
    if outcome is not None:
        raise Refused(f"effect {intent.id} is {outcome.status}: there is nothing to settle", effect=intent.id)
    if intent.kind is not Kind.TOOL:
        raise Refused(
            f"effect {intent.id} is a {intent.kind}, which acts on agents and not on the world: resume its run, and it goes on",
            effect=intent.id,
        )


def writing_process(settings: Settings) -> int | None:
    """The process that has the record open for writing, as far as can be seen without disturbing it; None if there is none.

    -1 for one on whichever host that writes a record in PostgreSQL. Where the system does not tell who holds which lock, a number that
    it has given to another process since counts as that of the writer: then what is in doubt is taken to be under way for a while longer.
    """
    if settings.ledger == "postgres":
        return -1 if is_written_elsewhere(settings) else None
    lock = settings.ledger_path.with_name(f"{settings.ledger_path.name}.lock")
    try:
        pid = int(lock.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return None
    return pid if _lives(pid) and _holds_a_lock(pid) else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # It is somebody else's.
    return True


def _holds_a_lock(pid: int) -> bool:
    """Whether process ``pid`` holds the lock of any file, by Linux' own list (proc(5)); True where there is no such list. Which file it is
    does not count: some file systems show other numbers there than `stat` does."""
    try:
        held = _LOCKS.read_text("ascii").splitlines()
    except OSError:
        return True
    return any(line.split()[1:2] == ["FLOCK"] and str(pid) in line.split()[4:5] for line in held)
