"""The digest of a function's code: what tells a run that was begun by other code."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from types import CodeType
from typing import Any

_DIGEST_BYTES = 8


def digest_of(function: Callable[..., Any]) -> str:
    """16 hex digits over the byte code, names and constants of ``function`` and of the functions inside it; empty if it has none.

    Comments and places do not count. Another Python has other byte code: the digest says that something changed, not that it matters.
    """
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return ""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    unread = [code]
    while unread:
        part = unread.pop()
        digest.update(part.co_code)
        digest.update(repr((part.co_names, part.co_varnames)).encode())
        for constant in part.co_consts:
            if isinstance(constant, CodeType):
                unread.append(constant)
            elif not isinstance(constant, frozenset):  # In no order that would be the same tomorrow.
                digest.update(repr(constant).encode())
    return digest.hexdigest()
