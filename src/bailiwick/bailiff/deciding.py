"""Deciding: what waits for people, and what they say of it, in a bailiwick that runs and in one that does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.bailiff.desk import Duties, ask_desk, desk_path, is_at_desk
from bailiwick.bailiff.opening import open_record, read_ledger
from bailiwick.bailiff.records import Decide, Decided, ListWaiting, Pending, Waiting
from bailiwick.bailiff.settings import Settings
from bailiwick.bailiff.settling import writing_process
from bailiwick.clock import Clock
from bailiwick.effects import Ruling
from bailiwick.errors import LedgerUnavailable, NotFound
from bailiwick.gateway import Approvals, Case, Ruled, read_docket, ruled
from bailiwick.ids import EffectId

PAGE = 500
"""So many are listed in one answer, at most."""

PAGE_BYTES = 4 * 2**20
CUT_BYTES = 2**20
"""Arguments that are longer are left out of the list; they are on the record."""


class Durable(Protocol):
    """Such as a `Gateway`."""

    async def barrier(self) -> None:
        """Return once all that was recorded so far is durable."""


def approval_duties(approvals: Approvals, gateway: Durable) -> Duties:
    """What the desk answers about approvals."""

    async def waiting(message: ListWaiting) -> Waiting:
        return _page(approvals.waiting(), message)

    async def decide(message: Decide) -> Decided:
        rulings = message.rulings
        found = [approvals.rule(rulings[0])] if len(rulings) == 1 else approvals.rule_many(rulings)
        await gateway.barrier()
        return Decided(ruled=tuple(found))

    return {ListWaiting: waiting, Decide: decide}


async def pending(settings: Settings, only: EffectId | None = None) -> list[Pending]:
    """What waits for people, the oldest first: of the process that runs, else of the record. Raises `NotFound` where there is no record."""
    if not is_at_desk(settings):
        return _on_record(settings, only)
    found: list[Pending] = []
    after = 0
    while True:
        page = await ask_desk(settings, ListWaiting(only=only, after=after), Waiting)
        found += page.pending
        if not page.more:
            break
        after = page.pending[-1].seq
    whole = {one.requests[0].id: one for one in _on_record(settings, only)} if any(one.cut for one in found) else {}
    return [whole.get(one.requests[0].id, one) if one.cut else one for one in found]


async def decide(settings: Settings, rulings: Sequence[Ruling], *, clock: Clock) -> list[Ruled]:
    """Put on record what somebody decided, on all of these or on none; durable when it returns.

    By the process that runs, if there is one, which acts on it at once; else here, and it counts when the run is resumed. Raises
    `NotFound` or `Refused` for what would not count, `LedgerUnavailable` if whoever writes the record cannot be reached from here.
    """
    if is_at_desk(settings):
        return list((await ask_desk(settings, Decide(rulings=tuple(rulings)), Decided)).ruled)
    if writing_process(settings) is not None:
        raise LedgerUnavailable(
            f"the record is being written, and nobody is at {desk_path(settings)}: decide where it is written, or later"
        )
    async with open_record(settings, clock) as ledger:
        docket = read_docket(ledger)
        now_ns = clock.now_ns()
        if len(rulings) > 1:
            docket.check_together(rulings, now_ns)
        timed = [replace(ruling, at_ns=now_ns) for ruling in rulings]
        cases = [docket.check(ruling, now_ns) for ruling in timed]
        last = ledger.append(*timed)
        for seq, ruling in enumerate(timed, last - len(timed) + 1):
            docket.note(seq, ruling)
    return [ruled(case) for case in cases]


def _on_record(settings: Settings, only: EffectId | None) -> list[Pending]:
    cases = sorted(read_docket(read_ledger(settings)).cases.values(), key=_first_seq)
    return [_pending(case) for case in cases if only in (None, case.newest.id)]


def _page(cases: Iterable[Case], message: ListWaiting) -> Waiting:
    found: list[Pending] = []
    size_bytes = 0
    for case in sorted(cases, key=_first_seq):
        if _first_seq(case) > message.after and message.only in (None, case.newest.id):
            if len(found) >= PAGE or size_bytes > PAGE_BYTES:
                return Waiting(pending=tuple(found), more=True)
            found.append(_cut(_pending(case)))
            size_bytes += len(codec.encode(found[-1]))
    if message.only is not None and not found:
        raise NotFound(f"effect {message.only} waits for nobody; `bailiwick inbox` lists what does", effect=message.only)
    return Waiting(pending=tuple(found))


def _first_seq(case: Case) -> int:
    return case.seqs[0]


def _pending(case: Case) -> Pending:
    return Pending(requests=tuple(case.requests), rulings=tuple(case.rulings), seq=_first_seq(case))


def _cut(whole: Pending) -> Pending:
    if len(whole.requests[0].intent.arguments) <= CUT_BYTES:
        return whole
    requests = tuple(replace(one, intent=replace(one.intent, arguments=b"")) for one in whole.requests)
    return replace(whole, requests=requests, cut=True)


def case_of(found: Pending) -> Case:
    """The case that was listed, to be looked at: who may decide, who has agreed, how far it is."""
    case = Case(found.requests[0], found.seq)
    case.requests[:] = found.requests
    case.rulings[:] = found.rulings
    return case
