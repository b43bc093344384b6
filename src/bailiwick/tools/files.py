"""Ready tools: read and write text files, delete and move files. Each change can be taken back."""

from __future__ import annotations

import itertools
import os
import stat
import threading
from pathlib import Path

from bailiwick import codec
from bailiwick.effects import IdempotencyKey, compensable, tool
from bailiwick.errors import BadInput, Conflict, NotFound
from bailiwick.tools.kept import Kept, not_regular, put, state_of, sync_directory
from bailiwick.tools.records import Deleted, Moved, Written

_parts = itertools.count()
_NO_EFFECT = IdempotencyKey("")


def _unwrite(path: str, content: str, key: IdempotencyKey, result: Written | None = None) -> None:
    """Bring back what was there before: content, permission bits, time of modification; or nothing, if nothing was.

    Raises `Conflict` if the file is not as `write_file` left it, or if what was there before is not kept any more. Between that look at
    the file and the moment it is replaced lies less than a millisecond, in which an edit would be lost.
    """
    target = Path(result.path) if result is not None else Path(path).expanduser().resolve()
    kept, now = Kept(target.parent, key), state_of(target)
    as_left = now is not None and now.digest == codec.digest(content.encode())
    if (was := state_of(kept.image)) is not None:
        if as_left and now is not None and now.mode == was.mode:
            os.replace(kept.image, target)
            sync_directory(target.parent)
        elif now != was:  # Else it had not happened.
            raise _changed(target, "was written", kept.image)
    elif kept.absent.exists():
        if as_left:
            target.unlink()
            sync_directory(target.parent)
        elif now is not None:
            raise _changed(target, "was written", None)
    elif result is not None and now != result.before:
        if as_left:
            raise Conflict(f"{target} stays as it is: what was there before is not kept any more")
        raise _changed(target, "was written", None)
    kept.drop()


@tool(effect=compensable(undo=_unwrite))
def write_file(path: str, content: str, key: IdempotencyKey = _NO_EFFECT) -> Written:
    """Make ``content`` the content of the file at ``path``, as UTF-8, whatever was there before.

    All or nothing: whoever reads the file, also after a crash or a power cut in the middle, finds the old content or the new. When
    it returns, the new content survives a power cut. An existing file keeps its permission bits, and a symbolic link stays one: the file it
    leads to is written. A crash can leave a hidden file ``.bailiwick-….part`` beside it, which may be deleted.
    Undone, the file has its old content, permission bits and time of modification again; until then a copy of it is kept beside it,
    in ``.bailiwick-undo-…``. Raises `BadInput` if the directory is missing or ``path`` is no regular file, `OSError` if the disk is full
    or reading or writing is forbidden; then the old content stands.
    """
    target = Path(path).expanduser().resolve()
    mode = _mode_of(target)
    data = content.encode()
    digest = codec.digest(data)
    kept = Kept(target.parent, key) if key else None
    before, kept_now = kept.copy(target, digest) if kept is not None else (None, False)
    part = target.with_name(f".bailiwick-{os.getpid()}-{threading.get_ident():x}-{next(_parts)}.part")
    try:
        _replace(target, part, data, mode)
    except BaseException:
        part.unlink(missing_ok=True)
        if kept is not None and kept_now:
            kept.drop()
        raise
    sync_directory(target.parent)
    return Written(path=str(target), size_bytes=len(data), digest=digest, before=before)


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
            raise not_regular(source)
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


def _undelete(path: str, key: IdempotencyKey, result: Deleted | None = None) -> None:
    """Put the file back. Raises `Conflict` if there is another one by now, or if it is not kept any more."""
    target = Path(result.path) if result is not None else _place(path)
    kept = Kept(target.parent, key)
    if os.path.lexists(kept.image):
        if not os.path.lexists(target):
            put(kept.image, target)
        elif not os.path.samestat(target.lstat(), kept.image.lstat()):  # Else an earlier try came so far.
            raise _changed(target, "was deleted", kept.image)
    elif result is not None and state_of(target, read=False) != result.before:
        raise Conflict(f"{target} cannot be brought back: it is not kept any more")
    kept.drop()


@tool(effect=compensable(undo=_undelete))
def delete_file(path: str, key: IdempotencyKey = _NO_EFFECT) -> Deleted:
    """Delete the file at ``path``; of a symbolic link, the link.

    Durable when it returns. Undone, the same file is there again; until then it is kept beside where it was, in ``.bailiwick-undo-…``.
    Raises `NotFound` if there is none, `BadInput` if it is no file, `OSError` if deleting is forbidden; then nothing was deleted.
    """
    target = _place(path)
    kept = Kept(target.parent, key) if key else None
    before, earlier = state_of(target, read=False), state_of(kept.image, read=False) if kept is not None else None
    if before is None:
        if earlier is None:
            raise NotFound(f"there is no file {target}")
        return Deleted(path=str(target), before=earlier)  # A try that was cut off came so far.
    if kept is not None:
        if earlier is not None:
            raise _changed(target, "was deleted", kept.image)
        kept.take(target)
    else:
        target.unlink()
        sync_directory(target.parent)
    return Deleted(path=str(target), before=before)


def _move_back(source: str, target: str, key: IdempotencyKey, result: Moved | None = None) -> None:
    """Give the file its old name again. Raises `Conflict` if it was changed since, or another file has the old name by now."""
    old, new = (Path(result.source), Path(result.target)) if result is not None else (_place(source), _place(target))
    kept = Kept(old.parent, key)
    moved = result.state if result is not None else kept.noted_move()
    if moved is not None:
        at_old, at_new = state_of(old), state_of(new)
        if at_new == moved and at_old is None:
            put(new, old)
        elif at_new == moved and at_old == moved and os.path.samestat(old.lstat(), new.lstat()):
            _unlink(new)  # A crash left it both names.
        elif at_old != moved or at_new == moved:
            raise _changed(new if at_new != moved else old, "was moved", None)
    kept.drop()


@tool(effect=compensable(undo=_move_back))
def move_file(source: str, target: str, key: IdempotencyKey = _NO_EFFECT) -> Moved:
    """Give the file at ``source`` the name ``target``, in a directory of the same file system; of a symbolic link, the link is moved.

    Never replaces a file. Durable when it returns; a power cut in the middle can leave the file with both names, never with none.
    Undone, it has its old name again. Raises `NotFound` if there is no file, `BadInput` if ``target`` is there already or its directory
    is not, `OSError` if moving is forbidden or the file system another; then nothing was moved.
    """
    old, new = _place(source), _place(target)
    kept = Kept(old.parent, key) if key else None
    at_old, at_new = state_of(old), state_of(new)
    earlier = kept.noted_move() if kept is not None else None
    if earlier is not None and at_new == earlier and (at_old is None or os.path.samestat(old.lstat(), new.lstat())):
        if at_old is not None:
            _unlink(old)
        return Moved(source=str(old), target=str(new), state=earlier)  # A try that was cut off came so far.
    if at_old is None:
        raise NotFound(f"there is no file {old}")
    if at_new is not None:
        raise BadInput(f"{old} was not moved: there is a file {new} already; delete it first")
    if not new.parent.is_dir():
        raise BadInput(f"{old} was not moved: there is no directory {new.parent}; make it first")
    if kept is not None:
        kept.note_move(at_old)
    try:
        put(old, new)
    except BaseException:
        if kept is not None and not os.path.lexists(new):
            kept.drop()
        raise
    return Moved(source=str(old), target=str(new), state=at_old)


def _place(path: str) -> Path:
    """Where a name stands: links on the way to it are followed, the last is not."""
    named = Path(path).expanduser()
    return named.parent.resolve() / named.name


def _unlink(path: Path) -> None:
    path.unlink()
    sync_directory(path.parent)


def _changed(path: Path, since: str, image: Path | None) -> Conflict:
    kept = f"; what was there before is {image}" if image is not None else ""
    return Conflict(f"{path} is not as it was left when it {since}: undoing that would lose a later change, so nothing was touched{kept}")


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
        raise not_regular(target)
    return stat.S_IMODE(status.st_mode)


def _replace(target: Path, part: Path, data: bytes, mode: int | None) -> None:
    # O_EXCL: nobody else can have put a file or a link of that name there for us to write through.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with open(descriptor, "wb") as file:
        if mode is not None:
            os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    os.replace(part, target)
