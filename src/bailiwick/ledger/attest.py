"""Signatures over the chain: whoever holds the key vouches for everything up to an entry (invariant 8).

The chain alone shows that the entries fit each other. Somebody who can write the file can make others that fit as well; what they
cannot make without the key is a signature. Ed25519 as in RFC 8032, https://www.rfc-editor.org/rfc/rfc8032.
"""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bailiwick.effects import Attestation
from bailiwick.errors import BadInput, CorruptLedger, NotFound
from bailiwick.ledger.chain import Head

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_BYTES = 32
"""The length of a seed, and of a public key."""

_PURPOSE = b"bailiwick ledger attestation 1\x00"
"""In front of everything that is signed, so that a signature made for something else never counts as one over a ledger."""


class SigningKey:
    """A private key: 32 bytes in a file that only its owner can read. It is never shown, nor are its signatures logged."""

    __slots__ = ("_seed", "_signer")

    def __init__(self, seed: bytes) -> None:
        """``seed``: the 32 bytes that the key is derived from. Raises `BadInput` for another number of them."""
        if len(seed) != KEY_BYTES:
            raise BadInput(f"a signing key has {KEY_BYTES} bytes, not {len(seed)}")
        self._seed = seed
        self._signer: Ed25519PrivateKey | None = None

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """The key in the file at ``path``. Raises `NotFound`, or `BadInput` if the file holds none or others can read it."""
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                seed = file.read(KEY_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(f"{path}: there is no signing key", path=str(path)) from None
        except OSError as error:
            raise BadInput(f"{path}: the signing key cannot be read ({error.strerror})", path=str(path)) from None
        if mode & 0o077:
            raise BadInput(
                f"{path}: others can read this signing key (mode {mode:04o}): run `chmod 600 {path}`; if somebody may have read it, move "
                "it away, and the next run makes a new one",
                path=str(path),
            )
        if len(seed) != KEY_BYTES:
            raise BadInput(f"{path}: holds no signing key: it should have {KEY_BYTES} bytes; restore it, or move it away", path=str(path))
        return cls(seed)

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """The key at ``path``, made and durable before it signs anything if there is none yet.

        Of two processes that make it at once, both get the one that was there first; a crash leaves a whole key or none. Raises
        `BadInput` as `load` does, if the place cannot be written, or if `can_sign` is false.
        """
        try:
            return cls.load(path)
        except NotFound:
            seed = _ed25519().Ed25519PrivateKey.generate().private_bytes_raw()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _put_in_place(path, seed)
        except OSError as error:
            raise BadInput(f"{path}: the signing key cannot be made ({error.strerror})", path=str(path)) from None
        return cls.load(path)

    @property
    def public(self) -> bytes:
        """The 32 bytes by which others check what it signs."""
        return self._key().public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """64 bytes that only the holder of this key can make."""
        return self._key().sign(message)

    def _key(self) -> Ed25519PrivateKey:
        signer = self._signer
        if signer is None:
            signer = self._signer = _ed25519().Ed25519PrivateKey.from_private_bytes(self._seed)
        return signer


def can_sign() -> bool:
    """Whether the library that makes and checks signatures is installed. Does not import it."""
    return find_spec("cryptography") is not None


def attest(key: SigningKey, head: Head, at_ns: int) -> Attestation:
    """The holder of ``key`` vouches for the chain up to ``head``."""
    return Attestation(seq=head.seq, hash=head.hash, key=key.public, signature=key.sign(_message(head.seq, head.hash, at_ns)), at_ns=at_ns)


def check(attestation: Attestation) -> None:
    """Return if the key it names made the signature; whose key that is, is another question.

    Raises `CorruptLedger` if not, `BadInput` if `can_sign` is false.
    """
    made_by = _public_key(attestation.key)
    invalid: type[Exception] = import_module("cryptography.exceptions").InvalidSignature
    try:
        made_by.verify(attestation.signature, _message(attestation.seq, attestation.hash, attestation.at_ns))
    except (invalid, OverflowError):  # A number that does not fit was never signed.
        raise CorruptLedger(
            f"the signature over entry {attestation.seq} was not made by the key it names, or not over this", seq=attestation.seq
        ) from None


def read_public_key(text: str) -> bytes:
    """The public key that ``text`` spells in 64 hex digits, or that the file of this name holds: so spelt, or as the signing key itself.

    Raises `NotFound` or `BadInput`.
    """
    spelt = _unhex(text)
    if spelt is not None:
        return spelt
    path = Path(text).expanduser()
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{text}: is neither a public key in {2 * KEY_BYTES} hex digits nor a file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})", path=str(path)) from None
    spelt = _unhex(held.decode("ascii", "replace").strip())
    return spelt if spelt is not None else SigningKey.load(path).public


def _message(seq: int, hash_: bytes, at_ns: int) -> bytes:
    """What is signed. Each part has its length, so that no two attestations share a message: of the hash `prove` sees to it."""
    return _PURPOSE + seq.to_bytes(8, "big") + hash_ + at_ns.to_bytes(8, "big", signed=True)


@lru_cache(maxsize=16)
def _public_key(key: bytes) -> Ed25519PublicKey:
    try:
        return _ed25519().Ed25519PublicKey.from_public_bytes(key)
    except ValueError as error:
        raise CorruptLedger(f"what is given as the public key of a signature is none: {error}") from None


def _ed25519() -> Any:
    """Imported when it is needed: it takes longer to load than all of this package."""
    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError:
        raise BadInput("signatures need cryptography, which is not installed: pip install 'bailiwick[proof]'") from None


def _put_in_place(path: Path, seed: bytes) -> None:
    """Give a file with ``seed`` the name ``path``, durably, unless something has that name already."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # Of a process that had this number before, and crashed here.
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, seed)
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # Another process was faster: its key counts.
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _unhex(text: str) -> bytes | None:
    try:
        spelt = bytes.fromhex(text)
    except ValueError:
        return None
    return spelt if len(spelt) == KEY_BYTES and len(text) == 2 * KEY_BYTES else None
