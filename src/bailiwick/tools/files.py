"""Ready tools: read and write text files."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from pathlib import Path

from bailiwick import codec
from bailiwick.effects import tool
from bailiwick.errors import BadInput, NotFound
from bailiwick.tools.records import Written

_parts = itertools.count()


@tool(effect="idempotent")
def write_file(path: str, content: str) -> Written:
    """Make ``content`` the content of the file at ``path``, as UTF-8, whatever was there before.

    All or nothing: whoever reads the file, also after a crash or a power cut in the middle, finds the old content or the new. When
    it returns, the new content survives a power cut. An existing file keeps its permission bits, and a symbolic link stays one: the file it
    leads to is written. A crash can leave a hidden file ``.bailiwick-….part`` beside it, which may be deleted.
    Raises `BadInput` if the directory is missing or ``path`` is no regular file, `OSError` if the disk is full or writing is
    forbidden; then the old content stands.
    """
    target = Path(path).expanduser().resolve()
    mode = _mode_of(target)
    data = content.encode()
    part = target.with_name(f".bailiwick-{os.getpid()}-{threading.get_ident():x}-{next(_parts)}.part")
    # O_EXCL: nobody else can have put a file or a link of that name there for us to write through.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)
    return Written(path=str(target), size_bytes=len(data), digest=codec.digest(data))


@tool(effect="read")
def read_file(path: str, limit_bytes: int = 2**20) -> str:
    """The content of the file at ``path``, which must be UTF-8 text of at most ``limit_bytes`` bytes.

    Raises `NotFound` if there is no such file; `BadInput` if it is no regular file, longer than ``limit_bytes``, or not UTF-8;
    `OSError` if reading is forbidden. Never returns a part of a file as if it were all of it.
    """
    source = Path(path).expanduser().resolve()
    try:
        # O_NONBLOCK: opening a named pipe would otherwise wait for somebody to write into it.
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no file {source}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _not_regular(source)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(max(limit_bytes, 0) + 1)  # No more than that, whatever the file grows to meanwhile.
    finally:
        os.close(descriptor)
    if len(data) > limit_bytes:
        size_bytes = max(status.st_size, len(data))
        raise BadInput(f"{source} has {size_bytes} bytes, more than limit_bytes={limit_bytes}; ask with a higher limit_bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"{source} is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from error


def _mode_of(target: Path) -> int | None:
    """The permission bits of the file that is there; None if none is. Raises `BadInput` where no file can be."""
    try:
        status = target.stat()
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise BadInput(f"{target} was not written: there is no directory {target.parent}; make it first") from None
        return None
    except NotADirectoryError:
        raise BadInput(f"{target} was not written: there is no directory {target.parent}, but a file on the way to it") from None
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular(target)
    return stat.S_IMODE(status.st_mode)


def _not_regular(path: Path) -> BadInput:
    return BadInput(f"{path} is {'a directory' if path.is_dir() else 'no regular file'}; give the path of a file")


def _sync_directory(directory: Path) -> None:
    """A new name survives a power cut only once its directory is on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
