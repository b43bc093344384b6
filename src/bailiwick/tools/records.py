"""What crosses the socket between a host and its worker processes, and what the ready tools return."""

from __future__ import annotations

import msgspec

from bailiwick.effects import FREE, Cost, Failure, Fidelity

PROTOCOL = 1
"""Raised with every change here. A host and a worker can differ if Bailiwick is upgraded under a running host."""


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker finds a function."""

    module: str
    """The name its module has in the host; ``__main__`` for a script. The worker's exceptions are reported under this name."""
    import_as: str
    """The name under which the worker imports it: never ``__main__``, or the script would run itself."""
    qualname: str
    path: str
    """The module's source; empty if it has none. Loaded from here where the name leads elsewhere or nowhere."""


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """To a worker, once, before anything else."""

    path: list[str]
    """The host's ``sys.path``."""
    environment: dict[str, str]
    """Variables to set where they are not set already."""


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="call"):
    """To a worker: call ``code`` and answer with `Done` or `Raised`."""

    code: Code
    arguments: bytes
    key: str = ""
    """The idempotency key, for a function that takes it."""
    secrets: list[str] = []
    """Values of the secrets that ``arguments`` names by digest."""


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """From a worker, once: it can be called."""

    protocol: int


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="done"):
    """From a worker: the function returned."""

    value: bytes
    """Encoded, and checked against the function's result hint."""
    fidelity: Fidelity = Fidelity.EXACT
    cost: Cost = FREE


class Raised(msgspec.Struct, frozen=True, kw_only=True, tag="raised"):
    """From a worker: the function raised, could not be loaded, or returned what it had not promised."""

    failure: Failure


ToWorker = Start | Call
FromWorker = Ready | Done | Raised


class FileState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file at one moment: what an undo brings back, or must find unchanged."""

    mode: int
    """Permission bits."""
    mtime_ns: int
    size_bytes: int
    digest: str = ""
    """SHA-256 of the content, in hex; of a symbolic link, of where it leads. Empty where nobody had to read it."""


class Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file as `write_file` left it."""

    path: str
    """Absolute, symbolic links followed."""
    size_bytes: int
    digest: str
    """SHA-256 of the content, in hex."""
    before: FileState | None = None
    """What was there before; None if nothing was, or if nobody can take the call back because it was no effect."""


class Deleted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that `delete_file` took away."""

    path: str
    """Absolute."""
    before: FileState


class Moved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that `move_file` gave another name."""

    source: str
    """Absolute."""
    target: str
    """Absolute."""
    state: FileState
    """The file itself, which a move leaves as it is."""
