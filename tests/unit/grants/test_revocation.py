"""Revocation: at once, for the whole of what comes from it, and fail-closed where nobody can hear."""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import timedelta

import pytest

from bailiwick.effects import Revocation
from bailiwick.errors import BadInput, NotGranted, Revoked
from bailiwick.grants import Revocations, narrow
from tests.granted import AGENTS, CLERK, MAIN, SCOUT, THIEF, Hands, Site, call


def test_revoking_an_agent_takes_back_what_it_handed_on_and_nothing_else() -> None:
    site = Site()
    taken = site.book.revoke(Revocation(agent=SCOUT))
    assert [grant.agent for grant in taken.grants] == [SCOUT, CLERK]
    for agent in (SCOUT, CLERK):
        with pytest.raises(Revoked) as refused:
            site.book.check(call(agent))
        assert refused.value.facts["tool"] == "write_file"
    assert site.book.check(call(THIEF, "read_x"))


def test_revoking_a_token_names_the_grant_since_the_token_is_made_anew() -> None:
    site = Site()
    block = site.book.token(CLERK).revocation_ids[-1]
    assert site.book.revoke(Revocation(block=block)).record.grant == site.book[CLERK].id
    with pytest.raises(Revoked):
        site.book.check(call())
    assert site.book.check(call(SCOUT))


def test_a_narrowed_copy_of_a_token_can_be_revoked_alone() -> None:
    from bailiwick.grants import attenuate

    site = Site()
    token = site.book.token(CLERK)
    copy = attenuate(token, narrow(token.grant, uses=None, tools=("write_file",), effects=None, expires_ns=10**19))
    site.book.revoke(Revocation(block=copy.revocation_ids[-1]))
    with pytest.raises(Revoked):
        site.verifier.grant_of(copy)
    assert site.verifier.grant_of(token)


def test_nothing_is_launched_under_what_was_revoked() -> None:
    site = Site()
    site.book.revoke(Revocation(grant=site.book[MAIN].id))
    with pytest.raises(Revoked):
        site.book.derive(MAIN, AGENTS[9])
    with pytest.raises(Revoked):
        site.book.token(CLERK)


def test_a_revocation_of_nothing_is_refused_whole() -> None:
    revocations = Revocations()
    with pytest.raises(BadInput):
        revocations.apply(Revocation(agent=MAIN), Revocation(who="ada"))
    assert not revocations.names


def test_the_same_again_changes_nothing() -> None:
    revocations = Revocations()
    revocations.apply(Revocation(agent=MAIN))
    version = revocations.version
    revocations.apply(Revocation(agent=MAIN))
    assert revocations.version == version


def test_a_host_that_has_not_heard_for_longer_than_the_lease_admits_nothing() -> None:
    clock = Hands()
    revocations = Revocations(clock=clock, lease=timedelta(seconds=5))
    site = Site(revocations, clock)
    with pytest.raises(Revoked, match="nobody could be asked"):
        site.book.check(call())
    revocations.heard()
    assert site.book.check(call())
    clock.at_ns += 5 * 10**9 - 1
    assert site.verifier.check(site.shown(call()), call())
    clock.at_ns += 1
    for refused in (lambda: site.book.check(call()), lambda: site.verifier.grant_of(site.book.token(CLERK))):
        with pytest.raises(Revoked, match="nobody could be asked"):
            refused()


def test_a_lease_runs_from_when_was_asked_and_is_never_cut_short() -> None:
    clock = Hands()
    revocations = Revocations(clock=clock, lease=timedelta(seconds=5))
    revocations.heard(clock.at_ns)
    revocations.heard(clock.at_ns - 4 * 10**9)
    clock.at_ns += 4 * 10**9
    revocations.refuse_unheard()
    clock.at_ns += 10**9
    with pytest.raises(Revoked):
        revocations.refuse_unheard()
    with pytest.raises(BadInput):
        Revocations(lease=timedelta(seconds=1))


def test_a_hundred_thousand_racing_effects_and_none_is_admitted_after_the_acknowledgement() -> None:
    """Threads and tasks ask without a pause; whoever begins to ask after `revoke` returned is refused."""
    site = Site()
    asked, tried, admitted_before, late = call(), [0] * 4, [0] * 4, [0] * 4
    acknowledged = threading.Event()
    enough = threading.Event()

    def race(lane: int, effects: int) -> None:
        for _ in range(effects):
            after = acknowledged.is_set()
            tried[lane] += 1
            try:
                site.book.use(asked).settle()
            except NotGranted:
                continue
            admitted_before[lane] += 1
            late[lane] += after
            if admitted_before[lane] == 500:
                enough.set()

    async def tasks(lane: int) -> None:
        async def one() -> None:
            for _ in range(100):
                race(lane, 25)
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(10)))

    def revoke() -> None:
        enough.wait(30)
        site.book.revoke(Revocation(agent=SCOUT))
        acknowledged.set()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=race, args=(lane, 25_000)) for lane in range(3)]
        threads += [threading.Thread(target=revoke), threading.Thread(target=lambda: asyncio.run(tasks(3)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert sum(tried) == 100_000
    assert 0 < sum(admitted_before) < 100_000
    assert sum(late) == 0
