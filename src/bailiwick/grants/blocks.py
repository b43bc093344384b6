"""The bytes of a Biscuit, read strictly: what its signatures cover, how much work its Datalog would be, and which grants it names.

Format: https://github.com/biscuit-auth/biscuit, SPECIFICATIONS.md and schema.proto (protocol buffers). The library checks
signatures and runs the checks. It is not asked what a block says, because it prints text without escapes: a text with a quotation mark in
it can be made to look like a grant. And its limits count facts and look at the clock between rounds, not in one: four predicates side by
side, or a function over a list inside another, would keep a thread for hours. So what is more than plain checks over what is known of
a call is refused before it is run.

Nothing is skipped here: a field that is not known, is of another kind, or is there twice where it may be there once, is refused. So this
reader and the library's never see two different tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from bailiwick.errors import NotGranted

MAX_TOKEN_BYTES = 16_384
MAX_BLOCKS = 32
MAX_CHECKS = 64
"""In all blocks."""
MAX_OPERATIONS = 1_024
"""In all checks."""
MAX_FACTS = 256
_DEEP = 4
_FIRST_SYMBOL = 1_024
_DEFAULT_SYMBOLS = (
    *("read", "write", "resource", "operation", "right", "time", "role", "owner", "tenant", "namespace", "user", "team", "service"),
    *("admin", "email", "group", "member", "ip_address", "client", "client_ip", "domain", "path", "version", "cluster", "node"),
    *("hostname", "nonce", "query"),
)
GRANT_FACT = "bailiwick"
_REGEX, _ALL, _ANY, _FOREIGN = 8, 25, 26, 28

_NUMBER, _BYTES = 0, 2
_RULE = {1: _BYTES, 2: _BYTES, 3: _BYTES, 4: _BYTES}
_TEXT = b"\x18"
"""So begins a term that is a text."""


class Block(NamedTuple):
    """One block."""

    grants: tuple[bytes, ...]
    """The grants it names, as they are encoded; ours name one."""
    signature: bytes
    """What its author signed it with: its revocation id."""
    queries: tuple[tuple[str, ...], ...]
    """For each way to pass one of its checks, the names of the predicates that have to be matched side by side; of the check that
    says whose grants these are, nothing."""


class Contents(NamedTuple):
    """A whole token."""

    blocks: tuple[Block, ...]
    facts: Counter[str]
    """How many facts it has of each name, ours left out."""


def read(token: bytes) -> Contents:
    """What is in ``token``; no signature is checked. Raises `NotGranted`, for what is no token or asks for more than a host does."""
    if len(token) > MAX_TOKEN_BYTES:
        raise _refused(f"it has {len(token)} bytes, and {MAX_TOKEN_BYTES} are read")
    try:
        return _Reader().token(token)
    except (IndexError, UnicodeDecodeError, RecursionError) as error:
        raise _refused("it is cut off, or no token") from error


class _Reader:
    """Reads one token; symbols add up from block to block."""

    def __init__(self) -> None:
        self.symbols: list[str] = []
        self.facts: Counter[str] = Counter()
        self.checks = self.operations = 0

    def token(self, data: bytes) -> Contents:
        found = _message(data, {1: _NUMBER, 2: _BYTES, 3: _BYTES, 4: _BYTES}, many=(3,))
        signed = [*found.get(2, ()), *found.get(3, ())]
        if 2 not in found or 4 not in found or len(signed) > MAX_BLOCKS:
            raise _refused(f"it has no first block, no proof, or more than {MAX_BLOCKS} blocks")
        blocks = tuple(map(self.signed_block, signed))
        return Contents(blocks, self.facts)

    def signed_block(self, data: bytes) -> Block:
        found = _message(data, {1: _BYTES, 2: _BYTES, 3: _BYTES, 4: _BYTES, 5: _NUMBER})
        if 4 in found:
            raise _refused("it has a block of a third party")
        if 1 not in found or 3 not in found:
            raise _refused("it has a block without content or signature")
        return self.block(found[1][0], found[3][0])

    def block(self, data: bytes, signature: bytes) -> Block:
        kinds = {1: _BYTES, 2: _BYTES, 3: _NUMBER, 4: _BYTES, 5: _BYTES, 6: _BYTES, 7: _BYTES, 8: _BYTES}
        found = _message(data, kinds, many=(1, 4, 5, 6, 7, 8))
        if 5 in found or 7 in found or 8 in found:
            raise _refused("it has rules, or trusts other keys; checks and facts are all that is run")
        self.symbols += [str(symbol, "utf-8") for symbol in found.get(1, ())]
        grants = [grant for fact in found.get(4, ()) if (grant := self.fact(fact)) is not None]
        queries = tuple(query for check in found.get(6, ()) for query in self.check(check))
        return Block(tuple(grants), signature, queries)

    def fact(self, data: bytes) -> bytes | None:
        """The grant, if it is one; else it is counted."""
        name, terms = self.predicate(_only(data, 1))
        if name != GRANT_FACT:
            self.facts[name] += 1
            if self.facts.total() > MAX_FACTS:
                raise _refused(f"it has more than {MAX_FACTS} facts")
            return None
        if len(terms) != 1:
            raise _refused("it names a grant in a way that is not known here")
        return _only(terms[0], 5)

    def check(self, data: bytes) -> Iterator[tuple[str, ...]]:
        """The predicates of each query; ours, that says who reads this, always holds here and is left out."""
        found = _message(data, {1: _BYTES, 2: _NUMBER}, many=(1,))
        self.checks += 1
        if self.checks > MAX_CHECKS:
            raise _refused(f"it has more than {MAX_CHECKS} checks")
        for query in found.get(1, ()):
            predicates = self.query(query)
            if not (len(found) == len(found[1]) == 1 and self.is_ours(query)):
                yield predicates

    def query(self, data: bytes) -> tuple[str, ...]:
        found = _message(data, _RULE, many=(2, 3, 4))
        if 4 in found:
            raise _refused("a check trusts other blocks")
        for expression in found.get(3, ()):
            self.expression(expression, 0, 1)
        return tuple(self.predicate(predicate)[0] for predicate in found.get(2, ()))

    def is_ours(self, data: bytes) -> bool:
        """Whether it is ``verifier("bailiwick")``, and nothing else."""
        found = _message(data, _RULE, many=(2, 3))
        if 3 in found or len(found.get(2, ())) != 1:
            return False
        name, terms = self.predicate(found[2][0])
        if name != "verifier" or len(terms) != 1 or terms[0][:1] != _TEXT:
            return False
        return self.symbol(_message(terms[0], {3: _NUMBER})[3][0]) == GRANT_FACT

    def expression(self, data: bytes, depth: int, field: int) -> None:
        """Count what it would do. ``field``: where its operations are."""
        if depth > _DEEP:
            raise _refused("a check is nested too deeply")
        for operation in _message(data, {field: _BYTES}, many=(field,)).get(field, ()):
            self.operations += 1
            if self.operations > MAX_OPERATIONS:
                raise _refused(f"its checks have more than {MAX_OPERATIONS} operations")
            found = _message(operation, {1: _BYTES, 2: _BYTES, 3: _BYTES, 4: _BYTES})
            for kinds in (found.get(2), found.get(3)):
                kind = _message(kinds[0], {1: _NUMBER, 2: _NUMBER}) if kinds else {}
                if 2 in kind or kind.get(1, [0])[0] in (_REGEX, _ALL, _ANY, _FOREIGN):
                    raise _refused("a check uses regular expressions, functions over lists, or functions that are not known here")
            if 4 in found:  # The right side of `&&` or `||`; one with parameters would be refused by what applies it.
                self.expression(found[4][0], depth + 1, 2)

    def predicate(self, data: bytes) -> tuple[str, list[bytes]]:
        found = _message(data, {1: _NUMBER, 2: _BYTES}, many=(2,))
        return self.symbol(found.get(1, [0])[0]), found.get(2, [])

    def symbol(self, index: int) -> str:
        return self.symbols[index - _FIRST_SYMBOL] if index >= _FIRST_SYMBOL else _DEFAULT_SYMBOLS[index]


def _message(data: bytes, kinds: dict[int, int], many: tuple[int, ...] = ()) -> dict[int, list[Any]]:
    """The fields of a message. Raises `NotGranted` for what is not in ``kinds`` and for what is there twice and not among ``many``."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if kinds.get(field) != kind:
            raise _refused(f"it has a field that is not known here ({field})")
        value: int | bytes
        if kind == _NUMBER:
            value, at = _varint(data, at)
        else:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
            if at > len(data):
                raise _refused("it is cut off")
        if field in found and field not in many:
            raise _refused("it says the same thing twice")
        found.setdefault(field, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return number, at
        if shift > 63:
            raise _refused("a number in it is too large")


def _only(data: bytes, field: int) -> bytes:
    return _message(data, {field: _BYTES}).get(field, [b""])[0]


def _refused(why: str) -> NotGranted:
    return NotGranted(f"this is no token that is read here: {why}", why=why)
