"""Grants as tokens (Biscuit): what leaves the process, can be narrowed by its holder without asking anybody, and does nothing alone.

The first block holds a grant of the principal's, signed with their root key; each further block a narrower one. A block that hands the
grant on to another agent carries a signature by the agent that holds it, over the block before and the new grant: so whoever has copied
a token can narrow it, as anybody can, but not make it their own. And a holder shows a token together with a signature over the
very action it is for.

Grants stand in the blocks as our own encoding of a `Grant`, with the check ``verifier("bailiwick")``: a verifier that does not know what
a grant is does not pass that check, rather than overlook the grant.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from bailiwick import codec
from bailiwick.effects import Call
from bailiwick.errors import BadInput, NotGranted, Refused
from bailiwick.grants.blocks import GRANT_FACT, Contents, read
from bailiwick.grants.grant import Grant, widening
from bailiwick.grants.keys import AgentKey, RootKey, import_biscuit, is_signed
from bailiwick.grants.records import Presented

_HANDED_ON = b"bailiwick grant handed on 1\x00"
_SHOWN = b"bailiwick grant shown 1\x00"
NONCE_BYTES = 16

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode = msgspec.msgpack.Decoder(Grant).decode


class Token:
    """The bytes of a token, as they are stored and sent. They are not a secret, but narrow and name much: keep them from logs."""

    def __init__(self, data: bytes, parsed: Any = None, grant: Grant | None = None) -> None:
        """``parsed`` and ``grant`` are what is known of it where it was made."""
        self.data = data
        self._parsed = parsed
        self._grant = grant

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return codec.digest(self.data)

    @cached_property
    def contents(self) -> Contents:
        """What it says, unproven. Raises `NotGranted`."""
        return read(self.data)

    @property
    def revocation_ids(self) -> tuple[str, ...]:
        """Of each block, in hex: revoking one revokes every token that has that block."""
        return tuple(block.signature.hex() for block in self.contents.blocks)

    @property
    def grant(self) -> Grant:
        """What it says it grants, unproven: `Verifier` proves it. Raises `NotGranted`."""
        if self._grant is None:
            self._grant = grants_in(self)[-1]
        return self._grant

    def opened(self, root_public_key: bytes | None) -> Any:
        """It as `biscuit_auth` has it, its signatures checked against that key. Raises `NotGranted`, `BadInput` without a key unless it
        was made in this process."""
        if self._parsed is None:
            if root_public_key is None:
                raise BadInput("this token was not made here: give the root's public key")
            biscuit = import_biscuit()
            try:
                key = biscuit.PublicKey.from_bytes(root_public_key, biscuit.Algorithm.Ed25519)
                self._parsed = biscuit.Biscuit.from_bytes(self.data, key)
            except (biscuit.BiscuitValidationError, biscuit.BiscuitSerializationError, biscuit.DataLogError, ValueError) as error:
                raise NotGranted(f"this token is not genuine: {error}", why="it is not genuine") from error
        return self._parsed

    def __repr__(self) -> str:
        return f"<token {self.digest[:8]}…>"


def mint_token(root: RootKey, grant: Grant) -> Token:
    """A token for ``grant`` in the name of whoever holds ``root``. Raises `BadInput` for a grant without the agent's public key, or with
    a use count and not for exactly one host, since uses are counted where they happen."""
    biscuit = import_biscuit()
    _check_fit_to_leave(grant)
    builder = biscuit.BiscuitBuilder()
    builder.add_fact(_fact(biscuit, _encode(grant), b""))
    builder.add_check(biscuit.Check(_FOR_US))
    made = builder.build(root.pair.private_key)
    return Token(bytes(made.to_bytes()), made, grant)


def attenuate(token: Token, narrower: Grant, holder: AgentKey | None = None, *, root_public_key: bytes | None = None) -> Token:
    """``token`` for ``narrower``, which must be within its grant; offline, by whoever holds it. ``holder`` is the key of the agent that
    holds ``token``, and needed to hand it on to another agent.

    Raises `NotGranted` where it would be wider, `BadInput` where the key is missing or not the holder's. ``root_public_key`` is needed
    for a token that was not made in this process.
    """
    biscuit = import_biscuit()
    grant = token.grant
    if why := widening(narrower, grant):
        raise NotGranted(f"{why}. Nothing was granted", grant=grant.id, why=why)
    _check_fit_to_leave(narrower)
    parsed, data, signature = token.opened(root_public_key), _encode(narrower), b""
    if narrower.agent != grant.agent:
        if holder is None or holder.public != grant.key:
            raise BadInput(f"only {grant.agent} can hand this grant on: give its key")
        signature = holder.sign(_handing_on(bytes.fromhex(parsed.revocation_ids[-1]), data))
    block = biscuit.BlockBuilder("")
    block.add_fact(_fact(biscuit, data, signature))
    block.add_check(biscuit.Check(_FOR_US))
    made = parsed.append(block)
    return Token(bytes(made.to_bytes()), made, narrower)


def grants_in(token: Token) -> list[Grant]:
    """The grants that its blocks name, each within the one before and handed on by its holder; the last is what it grants. Whether the
    principal made the first is not looked at here.

    Raises `NotGranted` where any of that is not so.
    """
    found: list[Grant] = []
    for number, block in enumerate(token.contents.blocks):
        if len(block.grants) != 1:
            if block.grants or not found:
                raise _wrong(number, "it names no grant, or several")
            continue  # Checks that another implementation added, or another program.
        signature, data = _split(block.grants[0])
        try:
            grant = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _wrong(number, f"it names no grant that is known here: {error}") from error
        if found:
            if why := widening(grant, found[-1]):
                raise _wrong(number, f"it is wider than what it comes from: {why}")
            signed = _handing_on(token.contents.blocks[number - 1].signature, data)
            if grant.agent != found[-1].agent and not is_signed(found[-1].key, signature, signed):
                raise _wrong(number, f"{found[-1].agent} did not hand it on")
        found.append(grant)
    return found


def present(token: Token, key: AgentKey, call: Call, *, host: str, nonce: bytes, at_ns: int) -> Presented:
    """``token``, shown at ``host`` for ``call`` by the agent that holds it. ``nonce``: 16 bytes that were never used before, such as
    `bailiwick.ids.new_salt` makes. Raises `BadInput` for another number of them."""
    if len(nonce) != NONCE_BYTES:
        raise BadInput(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return Presented(token=token.data, signature=key.sign(shown(token.data, call, host, nonce, at_ns)), nonce=nonce, at_ns=at_ns)


def action_digest(call: Call) -> str:
    """SHA-256 in hex of exactly what is asked for: what acts, with which arguments, for whom. When it is asked does not count."""
    exactly = (call.kind, call.tool, call.effect, call.arguments, call.agent, call.agent_class, call.run, call.principal)
    return codec.digest(codec.encode(exactly))


def shown(token: bytes, call: Call, host: str, nonce: bytes, at_ns: int) -> bytes:
    """What a holder signs."""
    return _SHOWN + codec.encode((codec.digest(token), action_digest(call), host, nonce, at_ns))


_FOR_US = f'check if verifier("{GRANT_FACT}")'


def _fact(biscuit: Any, data: bytes, signature: bytes) -> Any:
    """One value rather than two: it is what takes most of the time of a block, but for signing it."""
    return biscuit.Fact(f"{GRANT_FACT}({{grant}})", {"grant": bytes((len(signature),)) + signature + data})


def _split(named: bytes) -> tuple[bytes, bytes]:
    """The signature and the grant that `_fact` put together."""
    behind = 1 + (named[0] if named else 0)
    return named[1:behind], named[behind:]


def _handing_on(before: bytes, data: bytes) -> bytes:
    """What a holder signs who hands a grant on: behind the block with the signature ``before``, so in this token and in no other."""
    return _HANDED_ON + len(before).to_bytes(2, "big") + before + data


def _check_fit_to_leave(grant: Grant) -> None:
    if not grant.key:
        raise BadInput(f"the grant of {grant.agent} names no key: nobody could show a token for it")
    if grant.uses is not None and (grant.audience is None or len(grant.audience) != 1):
        raise BadInput("a grant with a use count leaves the process for one host only, which counts: give it as the `audience`")


def _wrong(number: int, why: str) -> Refused:
    return NotGranted(f"block {number} of this token does not hold: {why}", why=why)
