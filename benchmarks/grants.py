"""What authority costs: tokens made and narrowed, checked when they are new and when they are known, and looked up in the process.

CPU time of this thread rather than time on the clock: what else the machine does is not what is measured. Of each round the fastest
call but a tenth, since what interrupts a call is not what it costs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from msgspec.structs import replace

from bailiwick.clock import SystemClock
from bailiwick.effects import Call, EffectClass, Kind, Revocation
from bailiwick.errors import NotGranted
from bailiwick.grants import (
    Grant,
    GrantBook,
    HostSecret,
    Limit,
    Revocations,
    RootKey,
    Token,
    Verifier,
    attenuate,
    mint_token,
    narrow,
    present,
)
from bailiwick.ids import AgentId, RunId, new_salt
from benchmarks.figure import Figure, Measure, of_rounds

ROUNDS = 7
RACING = 100_000
MAIN, SCOUT, CLERK = (AgentId(f"agt_019b00000000{number:020x}") for number in range(3))
ROOT, SECRET = RootKey(b"r" * 32), HostSecret(b"h" * 32)
RUN = RunId("run_019b00000000" + "c3" * 10)
CALL = Call(Kind.TOOL, "write_file", EffectClass.IDEMPOTENT, {"path": "/data/notes"}, CLERK, "Clerk", RUN, "ada", 0)


def _mint_and_attenuate(*, hands_on: bool) -> Figure:
    """A root's token and one block more, for the same agent or handed on to another, which takes a signature by the first."""
    grant, key = _grant(), SECRET.agent_key(MAIN, 0)
    agent = SCOUT if hands_on else MAIN
    narrower = narrow(replace(grant, key=b""), agent=agent, tools=("write_*",), arguments=(_limit(),))
    narrower = replace(narrower, key=SECRET.agent_key(agent, 0).public)
    return _rounds(lambda: attenuate(mint_token(ROOT, grant), narrower, key), 500)


def _check_known_token() -> Figure:
    """A genuine token that was seen before: revocation, who holds it, and whether it covers the call; nobody signs anything."""
    _, verifier, token = _site()

    def check() -> None:
        if verifier.standing_of(token).coverage.refusal(CALL, 0):
            raise AssertionError("it covers the call")

    return _rounds(check, 20_000)


def _check_in_process() -> Figure:
    book, _, _ = _site()
    return _rounds(lambda: book.check(CALL), 20_000)


def _lookup() -> Figure:
    book, _, _ = _site()
    return _rounds(lambda: book[CLERK], 20_000)


def _check_new_token() -> Figure:
    """Three blocks, three holders: every signature is checked."""
    book, _, token = _site()
    return _rounds(lambda: _verifier(book).grant_of(token.data), 500)


def _check_presented() -> Figure:
    """A known token, shown from outside: the holder signs the action, here it is checked that it did, once."""
    _, verifier, token = _site()
    clock, key = SystemClock(), SECRET.agent_key(CLERK, 0)

    def shown() -> None:
        verifier.check(present(token, key, CALL, host="here", nonce=new_salt(), at_ns=clock.now_ns()), CALL)

    return _rounds(shown, 500)


def _admitted_after_revocation() -> Figure:
    """Four threads ask without a pause while a fifth revokes; how many began to ask after it had returned and were let through."""
    book, _, _ = _site()
    late: list[int] = []
    acknowledged, under_way = threading.Event(), threading.Event()

    def race() -> None:
        for number in range(RACING // 4):
            after = acknowledged.is_set()
            if number == RACING // 40:
                under_way.set()
            try:
                book.check(CALL)
            except NotGranted:
                continue
            if after:
                late.append(number)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    under_way.wait()
    book.revoke(Revocation(agent=MAIN))
    acknowledged.set()
    for thread in threads:
        thread.join()
    return Figure(value=len(late), unit="effects", better="lower")


def _grant() -> Grant:
    return Grant(id="grt_main", agent=MAIN, principal="ada", tools=("*",), depth=None, key=SECRET.agent_key(MAIN, 0).public)


def _limit() -> Limit:
    return Limit(tool="write_*", argument="path", under=("/data",))


def _site() -> tuple[GrantBook, Verifier, Token]:
    book = GrantBook(Revocations(), SystemClock(), root=ROOT, secret=SECRET)
    book.open(replace(_grant(), key=b""))
    book.derive(MAIN, SCOUT, tools=("write_*", "read_*"), arguments=(_limit(),))
    book.derive(SCOUT, CLERK, tools=("write_file",))
    return book, _verifier(book), book.token(CLERK)


def _verifier(book: GrantBook) -> Verifier:
    return Verifier([ROOT.public], book.revocations, SystemClock(), ["here"], incarnation=book.incarnation)


def _rounds(call: Callable[[], object], calls: int) -> Figure:
    return of_rounds([_microseconds(call, calls) for _ in range(ROUNDS)], "µs", better="lower")


def _microseconds(call: Callable[[], object], calls: int) -> float:
    """CPU time of one of a hundredth of the calls each, at the lowest tenth of them."""
    batch = max(1, calls // 100)
    taken: list[int] = []
    for _ in range(calls // batch):
        began_ns = time.thread_time_ns()
        for _ in range(batch):
            call()
        taken.append(time.thread_time_ns() - began_ns)
    return sorted(taken)[len(taken) // 10] / batch / 1_000


FIGURES: dict[str, Measure] = {
    "mint_and_attenuate": lambda: _mint_and_attenuate(hands_on=False),
    "mint_and_hand_on": lambda: _mint_and_attenuate(hands_on=True),
    "check_known_token": _check_known_token,
    "check_in_process": _check_in_process,
    "lookup": _lookup,
    "check_new_token": _check_new_token,
    "check_presented": _check_presented,
    "admitted_after_revocation": _admitted_after_revocation,
}
