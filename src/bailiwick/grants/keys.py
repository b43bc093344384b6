"""Keys: the principal's, by which grants are made; and agents', by which they show that they are who a grant names.

An agent's key is derived from its host's secret, its id and its epoch (HKDF, RFC 5869), not kept: ten thousand agents are one file, a
host that starts again has the same keys, and a new epoch is a new key, so that what the incarnation before it signs counts for nothing.
Only hosts that may run an agent in the same epoch share a secret. None of these classes shows its secret in a `repr`, can be pickled
or copied, or has a wire form.
"""

from __future__ import annotations

import hmac
import os
import stat
from functools import cache, cached_property, lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from bailiwick.errors import BadInput, NotFound
from bailiwick.ids import AgentId

SECRET_BYTES = 32
_AGENT_KEY = b"bailiwick agent key 1\x00"
_SALT = b"bailiwick host secret"


class _Kept:
    """32 bytes that stay where they are."""

    kind = "secret"

    def __init__(self, secret: bytes) -> None:
        """Raises `BadInput` unless ``secret`` has 32 bytes."""
        if len(secret) != SECRET_BYTES:
            raise BadInput(f"a {self.kind} has {SECRET_BYTES} bytes, not {len(secret)}")
        self._secret = secret

    @classmethod
    def load_or_create(cls, path: Path) -> Self:
        """The one in the file at ``path``, made and durable before it is used if there is none yet.

        Of two processes that make it at once, both get the one that was there first; a crash leaves a whole one or none. Raises
        `BadInput` if the place cannot be read or written, or others can read it.
        """
        try:
            return cls.load(path)
        except NotFound:
            pass
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _put_in_place(path, os.urandom(SECRET_BYTES))
        except OSError as error:
            raise BadInput(f"{path}: the {cls.kind} cannot be made ({error.strerror})", path=str(path)) from None
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The one in the file at ``path``. Raises `NotFound`, or `BadInput` if the file holds none or others can read it."""
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                secret = file.read(SECRET_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(f"{path}: there is no {cls.kind}", path=str(path)) from None
        except OSError as error:
            raise BadInput(f"{path}: the {cls.kind} cannot be read ({error.strerror})", path=str(path)) from None
        if mode & 0o077:
            raise BadInput(f"{path}: others can read this {cls.kind} (mode {mode:04o}): run `chmod 600 {path}`", path=str(path))
        if len(secret) != SECRET_BYTES:
            raise BadInput(f"{path}: holds no {cls.kind}: it should have {SECRET_BYTES} bytes", path=str(path))
        return cls(secret)

    def __repr__(self) -> str:
        return f"<{self.kind}>"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(f"a {self.kind} does not leave the process")


class AgentKey(_Kept):
    """What one incarnation of an agent signs with."""

    kind = "agent key"

    @cached_property
    def public(self) -> bytes:
        """The 32 bytes by which others check what it signs."""
        return self._signer.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """64 bytes that only the holder of this key can make (Ed25519, RFC 8032)."""
        return self._signer.sign(message)

    @cached_property
    def _signer(self) -> Any:
        return _ed25519().Ed25519PrivateKey.from_private_bytes(self._secret)


class HostSecret(_Kept):
    """What the keys of a host's agents are derived from."""

    kind = "host secret"

    def agent_key(self, agent: AgentId, epoch: int) -> AgentKey:
        """The key of ``agent`` in ``epoch``: always the same. Nobody can tell one from another, or the secret from any."""
        return AgentKey(_derived(self._secret, _AGENT_KEY + epoch.to_bytes(8, "big") + agent.encode()))


class RootKey(_Kept):
    """What a principal makes grants with: whoever has it can grant anything in their name."""

    kind = "root key"

    @cached_property
    def public(self) -> bytes:
        """The 32 bytes by which hosts check what was granted."""
        return bytes(self.pair.public_key.to_bytes())

    @cached_property
    def pair(self) -> Any:
        """The same key as `biscuit_auth` has it."""
        biscuit = import_biscuit()
        return biscuit.KeyPair.from_private_key(biscuit.PrivateKey.from_bytes(self._secret, biscuit.Algorithm.Ed25519))


def can_mint() -> bool:
    """Whether the libraries that tokens need are installed. Does not import them."""
    return find_spec("biscuit_auth") is not None and find_spec("cryptography") is not None


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the holder of the key to ``public`` signed ``message``."""
    invalid: type[Exception] = import_module("cryptography.exceptions").InvalidSignature
    try:
        _public_key(public).verify(signature, message)
    except (invalid, ValueError):
        return False
    return True


@cache
def import_biscuit() -> Any:
    """`biscuit_auth`, when it is needed. Raises `BadInput` where it is not installed."""
    try:
        return import_module("biscuit_auth")
    except ImportError:
        raise BadInput("tokens need biscuit-python, which is not installed: pip install 'bailiwick[grants]'") from None


@lru_cache(maxsize=1_024)
def _public_key(public: bytes) -> Any:
    return _ed25519().Ed25519PublicKey.from_public_bytes(public)


@cache
def _ed25519() -> Any:
    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError:
        raise BadInput("agent keys need cryptography, which is not installed: pip install 'bailiwick[grants]'") from None


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """HKDF with SHA-256: one block is enough for 32 bytes."""
    return hmac.digest(hmac.digest(_SALT, secret, "sha256"), purpose + b"\x01", "sha256")


def _put_in_place(path: Path, secret: bytes) -> None:
    """Give a file with ``secret`` the name ``path``, durably, unless something has that name already."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # Of a process that had this number before, and crashed here.
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, secret)
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
