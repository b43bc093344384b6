"""`Secret`: a value that tools may use and the record may not hold."""

from __future__ import annotations

from functools import lru_cache
from hashlib import scrypt
from weakref import WeakValueDictionary

from bailiwick.errors import Refused

_DIGEST_BYTES = 16
_SALT = b"bailiwick secret"
"""The same everywhere: a run that is gone through again, perhaps elsewhere, must ask with the same digest. So the hash is a slow
one (scrypt, RFC 7914), and a password that can be guessed is no safer than its guesses are many."""


class Secret:
    """A string that crosses the wire, stands on the record and is printed as a digest only.

    Make it where the value comes from, such as the environment: ``Secret(value)``. Hint a tool's parameter as ``Secret`` and call
    `reveal` in the tool. It is known by its value in the process that made it and in its workers; elsewhere, and after a restart
    that did not make it again, only its digest is known and `reveal` raises `Refused`.
    """

    __slots__ = ("__weakref__", "_value", "digest")

    def __init__(self, value: str) -> None:
        self._value: str | None = value
        self.digest = _digest(value)
        """32 hex digits; the same for the same value."""
        _known[self.digest] = self

    def reveal(self) -> str:
        """The value. Raises `Refused` where it is not known."""
        if self._value is None:
            raise Refused(f"the secret {self.digest[:8]}… is not known in this process: make it again from where its value comes from")
        return self._value

    def __to_wire__(self) -> str:
        return self.digest

    @classmethod
    def __from_wire__(cls, value: object) -> Secret:
        digest = str(value)
        found = _known.get(digest)
        if found is None:
            found = cls.__new__(cls)
            found._value, found.digest = None, digest
        return found

    def __repr__(self) -> str:
        return f"<secret {self.digest[:8]}…>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


_known: WeakValueDictionary[str, Secret] = WeakValueDictionary()


def scrub(text: str) -> str:
    """``text`` without the value of any secret that is known here: what tools raise and print may quote what they were given."""
    for secret in list(_known.values()):
        value = secret.reveal()
        if value and value in text:
            text = text.replace(value, repr(secret))
    return text


@lru_cache(maxsize=256)
def _digest(value: str) -> str:
    return scrypt(value.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=_DIGEST_BYTES).hex()
