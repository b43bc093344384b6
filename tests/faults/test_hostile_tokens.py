"""What somebody tries who has a token, or part of one, or none: nothing of it is admitted, nothing hangs."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

import biscuit_auth
import msgspec
import pytest

from bailiwick.effects import EffectClass, Revocation
from bailiwick.errors import NotGranted, Refused, Revoked, Unavailable
from bailiwick.grants import RootKey, attenuate, mint_token, narrow
from bailiwick.grants.blocks import MAX_BLOCKS, MAX_TOKEN_BYTES
from tests.granted import CLERK, MAIN, ROOT, SCOUT, SECRET, THIEF, Site, call, whole, with_block, with_grant

HOUR_NS = 3_600 * 10**9


def test_a_token_is_good_for_what_it_covers_and_once() -> None:
    site = Site()
    shown = site.shown(call())
    assert site.verifier.check(shown, call()).agent == CLERK
    with pytest.raises(NotGranted, match="shown before"):
        site.verifier.check(shown, call())


def test_a_token_of_another_root_is_not_genuine() -> None:
    site = Site()
    forged = mint_token(RootKey(b"x" * 32), whole(agent=THIEF, key=site.key(THIEF).public))
    with pytest.raises(NotGranted, match="not genuine"):
        site.verifier.check(site.shown(call(THIEF), forged), call(THIEF))


def test_a_stolen_token_alone_does_nothing() -> None:
    """Neither in the thief's own name, nor in the name of the one it was stolen from."""
    site = Site()
    stolen = site.book.token(CLERK)
    with pytest.raises(NotGranted, match="not of"):
        site.verifier.check(site.shown(call(THIEF), stolen, site.key(THIEF)), call(THIEF))
    with pytest.raises(NotGranted, match="not who holds it"):
        site.verifier.check(site.shown(call(CLERK), stolen, site.key(THIEF)), call(CLERK))


def test_a_thief_cannot_hand_a_stolen_token_on_to_himself() -> None:
    site = Site()
    stolen = site.book.token(SCOUT)
    mine = narrow(stolen.grant, agent=THIEF, key=site.key(THIEF).public)
    with pytest.raises(Refused, match="can hand this grant on"):
        attenuate(stolen, mine, site.key(THIEF))
    for signature in (b"", b"\0" * 64, site.key(THIEF).sign(msgspec.msgpack.encode(mine))):
        with pytest.raises(NotGranted, match="did not hand it on"):
            site.verifier.grant_of(with_grant(stolen, mine, signature).data)


def test_a_signature_that_hands_one_token_on_is_worth_nothing_in_another() -> None:
    site = Site()
    key = site.key(SCOUT)
    narrower = narrow(site.book.token(SCOUT).grant, agent=THIEF, key=site.key(THIEF).public, tools=("read_x",))
    given = attenuate(site.book.token(SCOUT), narrower, key)
    named = given.contents.blocks[-1].grants[0]
    other = attenuate(site.book.token(SCOUT), site.book.token(SCOUT).grant)
    site.verifier.grant_of(given.data)
    with pytest.raises(NotGranted, match="did not hand it on"):
        site.verifier.grant_of(with_block(other, 'bailiwick({g}); check if verifier("bailiwick")', g=named).data)


@pytest.mark.parametrize("epoch", [0, 2, 4, 2**40])
def test_a_token_of_another_epoch_does_not_count(epoch: int) -> None:
    site = Site()
    grant = msgspec.structs.replace(site.book[CLERK], epoch=epoch, key=SECRET.agent_key(CLERK, epoch).public)
    token = mint_token(ROOT, grant)
    with pytest.raises(NotGranted, match="that is past" if epoch < 3 else "has not come"):
        site.verifier.check(site.shown(call(), token, SECRET.agent_key(CLERK, epoch)), call())


def test_what_an_older_incarnation_signs_does_not_count() -> None:
    site = Site()
    before, key = site.book.token(CLERK), site.key(CLERK)
    site.book.renew(CLERK, 4)
    with pytest.raises(NotGranted, match="that is past"):
        site.verifier.check(site.shown(call(), before, key), call())
    with pytest.raises(NotGranted, match="not who holds it"):
        site.verifier.check(site.shown(call(), site.book.token(CLERK), key), call())
    assert site.verifier.check(site.shown(call()), call()).epoch == 4


def test_nor_does_what_was_handed_on_by_an_older_incarnation() -> None:
    """Or one that was fenced off could go on to hand out what its agent holds."""
    site = Site()
    before, key = site.book.token(SCOUT), site.key(SCOUT)
    site.book.renew(SCOUT, 1)
    mine = narrow(before.grant, agent=THIEF, key=site.key(THIEF).public)
    with pytest.raises(NotGranted, match="that is past"):
        site.verifier.grant_of(attenuate(before, mine, key).data)


def test_an_agent_cannot_name_its_own_next_incarnation() -> None:
    site = Site()
    token = site.book.token(CLERK)
    next_one = msgspec.structs.replace(token.grant, epoch=4, key=SECRET.agent_key(CLERK, 4).public)
    with pytest.raises(NotGranted, match="epoch"):
        attenuate(token, next_one, site.key(CLERK))
    with pytest.raises(NotGranted, match="wider"):
        site.verifier.grant_of(with_grant(token, next_one).data)


def test_an_expired_token_does_not_count() -> None:
    site = Site()
    expires = narrow(site.book.token(CLERK).grant, expires_ns=site.clock.now_ns() + 10**9)
    token = attenuate(site.book.token(CLERK), expires)
    site.verifier.check(site.shown(call(), token), call())
    site.clock.at_ns += 10**9
    with pytest.raises(NotGranted, match="has expired"):
        site.verifier.check(site.shown(call(), token), call())


def test_what_was_signed_for_one_action_is_not_good_for_another() -> None:
    site = Site()
    for other in (
        call(path="/data/other"),
        call(effect=EffectClass.IRREVERSIBLE),
        call(path=b"/data/notes"),
        call(path="/data/notes", mode="w"),
    ):
        with pytest.raises(NotGranted):
            site.verifier.check(site.shown(call()), other)


@pytest.mark.parametrize("changed", [{"host": "there"}, {"at_ns": 31 * 10**9}, {"at_ns": HOUR_NS}, {"at_ns": -1}])
def test_what_was_signed_for_another_place_or_time_does_not_count(changed: dict[str, Any]) -> None:
    site = Site()
    if "at_ns" in changed:
        changed = {"at_ns": site.clock.now_ns() + changed["at_ns"]}
    with pytest.raises(NotGranted):
        site.verifier.check(site.shown(call(), **changed), call())


def test_a_host_that_starts_again_does_not_take_what_it_was_shown_before() -> None:
    site = Site()
    shown = site.shown(call())
    site.verifier.check(shown, call())
    site.clock.at_ns += 10**9
    with pytest.raises(NotGranted, match="sign it anew"):
        site.opened().check(shown, call())


def test_a_nonce_is_remembered_for_as_long_as_it_would_count() -> None:
    """Also of a holder whose clock is ahead."""
    site = Site()
    shown = site.shown(call(), at_ns=site.clock.now_ns() + 29 * 10**9)
    site.verifier.check(shown, call())
    for _ in range(62):
        site.clock.at_ns += 10**9
        with pytest.raises(NotGranted, match="shown before|too long ago"):
            site.verifier.check(shown, call())


def test_a_flood_of_nonces_makes_a_host_wait_and_not_forget() -> None:
    site = Site()
    verifier = site.opened(nonces=3)
    first = site.shown(call())
    verifier.check(first, call())
    for _ in range(2):
        verifier.check(site.shown(call()), call())
    with pytest.raises(Unavailable):
        verifier.check(site.shown(call()), call())
    with pytest.raises(NotGranted, match="shown before"):
        verifier.check(first, call())


def test_every_token_that_is_cut_off_is_refused() -> None:
    site = Site()
    data = site.book.token(CLERK).data
    for length in range(len(data)):
        with pytest.raises(NotGranted):
            site.verifier.grant_of(data[:length])


def test_no_flip_of_a_bit_makes_another_token() -> None:
    """Some bits are in no signature's keeping and change nothing; what is granted is what was granted, or nothing."""
    site = Site()
    data, chance = site.book.token(CLERK).data, random.Random(1)
    real = site.verifier.grant_of(data)
    for _ in range(1_500):
        bit = chance.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert site.verifier.grant_of(bytes(flipped)) == real
        except NotGranted:
            continue


def test_noise_is_no_token() -> None:
    site, chance = Site(), random.Random(2)
    for length in [0, 1, 2, 64, 1_000, MAX_TOKEN_BYTES, MAX_TOKEN_BYTES + 1]:
        for _ in range(20):
            with pytest.raises(NotGranted):
                site.verifier.grant_of(chance.randbytes(length))


WIDER: list[dict[str, Any]] = [
    {"tools": ("*",)},
    {"tools": ("write_file", "wrіte_file")},  # With an `i` that is not Latin.
    {"arguments": ()},
    {"effects": None, "resources": ("*", "secret:*")},
    {"principal": "eve@example.org"},
    {"depth": None},
    {"budget": MAIN},
    {"audience": None},
    {"uses": None},
    {"expires_ns": 0},
    {"expires_ns": 2 * HOUR_NS},
]


@pytest.mark.parametrize("changes", WIDER, ids=repr)
def test_an_added_block_that_would_widen_makes_the_token_worthless(changes: dict[str, Any]) -> None:
    site = Site()
    limits: dict[str, Any] = {"tools": ("write_file",), "effects": (), "resources": (), "uses": 3, "expires_ns": HOUR_NS, "depth": 1}
    token = mint_token(ROOT, msgspec.structs.replace(site.book.token(CLERK).grant, audience=("here",), **limits))
    site.verifier.grant_of(token.data)
    with pytest.raises(NotGranted, match="wider"):
        site.verifier.grant_of(with_grant(token, msgspec.structs.replace(token.grant, **changes)).data)


def test_blocks_of_third_parties_are_refused() -> None:
    site = Site()
    token = site.book.token(CLERK).opened(None)
    pair = biscuit_auth.KeyPair()
    block = token.third_party_request().create_block(pair.private_key, biscuit_auth.BlockBuilder('check if tool("write_file")'))
    with pytest.raises(NotGranted, match="third party"):
        site.verifier.grant_of(bytes(token.append_third_party(pair.public_key, block).to_bytes()))


def test_more_blocks_than_are_read_are_refused() -> None:
    site = Site()
    token = site.book.token(CLERK)
    for _ in range(MAX_BLOCKS):
        token = with_block(token, "check if true")
    with pytest.raises(NotGranted, match="more than 32 blocks"):
        site.verifier.grant_of(token.data)


def test_a_token_for_elsewhere_is_refused_here() -> None:
    site = Site()
    token = attenuate(site.book.token(CLERK), narrow(site.book.token(CLERK).grant, audience=("there",)))
    with pytest.raises(NotGranted, match="is for there"):
        site.verifier.grant_of(token.data)
    fleet = attenuate(site.book.token(CLERK), narrow(site.book.token(CLERK).grant, audience=("fleet", "there")))
    assert site.verifier.grant_of(fleet.data).audience == ("fleet", "there")


REVOCATIONS: list[Callable[[Site], Revocation]] = [
    lambda site: Revocation(agent=CLERK),
    lambda site: Revocation(agent=SCOUT),
    lambda site: Revocation(agent=MAIN),
    lambda site: Revocation(grant=site.book[SCOUT].id),
    lambda site: Revocation(block=site.book.token(CLERK).revocation_ids[-1]),
    lambda site: Revocation(block=site.book.token(MAIN).revocation_ids[-1]),
]


@pytest.mark.parametrize("made", REVOCATIONS)
def test_a_revoked_token_and_all_made_from_it_are_refused(made: Callable[[Site], Revocation]) -> None:
    site = Site()
    added = with_block(site.book.token(CLERK), "check if true")
    for token in (site.book.token(CLERK), added):
        site.verifier.check(site.shown(call(), token), call())
    shown = site.shown(call(), added)
    site.book.revoke(made(site))
    with pytest.raises(Revoked):
        site.verifier.check(shown, call())
    with pytest.raises(Revoked):
        site.book.check(call())
    site.book.renew(CLERK, 9)
    with pytest.raises(Revoked):
        site.book.check(call())


def test_base64_of_a_token_is_no_token() -> None:
    site = Site()
    with pytest.raises(NotGranted):
        site.verifier.grant_of(base64.urlsafe_b64encode(site.book.token(CLERK).data))
