"""Requests and rulings in every kind of ledger: they come back as they were, can be erased, and what is open is found again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from bailiwick.effects import Planned, Request, Ruling, RulingVerdict, fold
from bailiwick.gateway import Docket, action_of, read_docket
from bailiwick.ledger import Ledger, verify
from bailiwick.ledger.backends.postgres import PostgresLedger
from bailiwick.ledger.backends.sqlite import SqliteLedger
from tests.postgres import url_of
from tests.unit.gateway.approving import CHARTER, changed, intent
from tests.worlds import KeptLedger, records

KEPT: dict[Path, KeptLedger] = {}
OPENERS: dict[str, Callable[[Path], Ledger]] = {
    "memory": lambda where: KEPT.setdefault(where, KeptLedger()),
    "sqlite": lambda where: SqliteLedger.open(where / "ledger.sqlite", segment_entries=0),
    "postgres": lambda where: PostgresLedger.open(url_of(where), stream="main"),
}


def request(number: int, people: int = 1) -> Request:
    asked = intent(number)
    plan = (Planned(tool="pay", digest="9f" * 32),) if number == 3 else ()
    return Request(
        id=asked.id,
        action=action_of(asked, "ada", plan),
        charter=CHARTER,
        intent=asked,
        principal="ada",
        asked=("ada", "bob"),
        need=people,
        plan=plan,
        at_ns=1,
    )


def ruling(asked: Request, verdict: RulingVerdict = RulingVerdict.APPROVE, arguments: bytes = b"") -> Ruling:
    return Ruling(id=asked.id, action=asked.action, charter=asked.charter, who="ada", verdict=verdict, arguments=arguments, at_ns=2)


@pytest.mark.parametrize("kind", list(OPENERS))
def test_what_waits_is_found_by_whoever_opens_the_record_next(kind: str, tmp_path: Path) -> None:
    first, second, third, gone = (request(number, 2) for number in (1, 2, 3, 4))
    changes = ruling(second, RulingVerdict.MODIFY, changed(3))
    written = [first, second, third, gone, ruling(first), changes, ruling(gone), gone.intent]

    async def write() -> None:
        ledger = OPENERS[kind](tmp_path)
        for record in written:
            ledger.append(record)
        await ledger.barrier()
        await ledger.close()

    async def read() -> None:
        ledger = OPENERS[kind](tmp_path)
        assert records(ledger) == written
        verify(ledger.entries())
        docket = read_docket(ledger)
        assert list(docket.cases) == [first.id, second.id, third.id]
        assert docket.cases[third.id].is_whole
        assert docket.cases[second.id].rulings == [changes]
        restored = Docket()
        restored.restore(docket.state(), ledger.entries)
        assert {effect: (case.requests, case.rulings) for effect, case in restored.cases.items()} == {
            effect: (case.requests, case.rulings) for effect, case in docket.cases.items()
        }
        states = {effect.intent.id: effect.state for effect in fold((entry.seq, entry.record) for entry in ledger.entries()).values()}
        assert states == {first.id: "waiting", second.id: "waiting", third.id: "waiting", gone.id: "open"}
        assert await ledger.erase([2, 3, 6]) == 3
        await ledger.close()

    async def read_again() -> None:
        ledger = OPENERS[kind](tmp_path)
        verify(ledger.entries())
        found = records(ledger)
        assert found[1] == replace(second, intent=replace(second.intent, arguments=b""))
        assert found[2] == replace(third, intent=replace(third.intent, arguments=b""), plan=())
        assert found[5] == replace(changes, arguments=b"")
        docket = read_docket(ledger)
        assert not docket.cases[third.id].is_whole
        assert docket.cases[second.id].rulings == []  # Nobody knows any more what they wanted.
        await ledger.close()

    for part in (write, read, read_again):
        asyncio.run(part())
