"""What was there before: kept beside a file from just before an effect changes it, so that the effect can be taken back.

Each directory in which files are changed has a hidden one, ``.bailiwick-undo-<uid>``, that only its owner can enter (what is kept may
be secret). In it each effect has at most one of three things, named after its idempotency key: the file that was there, as it was
(content, permission bits, time); ``.absent``, where there was none; ``.moved``, the state of a file that was given another name.
It is durable before the change, so whoever finds nothing there knows that nothing had happened; and it goes when the undo is done.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from pathlib import Path

from bailiwick import codec
from bailiwick.errors import BadInput, NotAllowed, Unavailable
from bailiwick.tools.records import FileState

_CHUNK_BYTES = 2**20
_PREFIX = ".bailiwick-undo-"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


class Kept:
    """What the effect with the idempotency key ``key`` keeps in ``directory``. Making one touches nothing.

    Raises `NotAllowed` if somebody else could look into the hidden directory, or put something there for us to bring back.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self._store = directory / f"{_PREFIX}{os.geteuid()}"
        name = key if re.fullmatch(r"[\w-]{1,100}", key) else codec.digest(key.encode())
        self.image = self._store / name
        """The file that was there."""
        self.absent = self._store / f"{name}.absent"
        self._moved = self._store / f"{name}.moved"
        self._part = self._store / f"{name}.part"
        self._check()

    def copy(self, target: Path, digest: str) -> tuple[FileState | None, bool]:
        """Keep the regular file at ``target``, or that none is there: what it was, and whether that was kept just now.

        What an earlier try of the same effect kept stands if that try came as far as its change: then the file has ``digest``. Raises
        `Unavailable` if somebody is writing into the file, `OSError`.
        """
        now = state_of(target)
        if now is not None and now.digest == digest:
            if self.absent.exists():
                return None, False
            if self.image.exists():
                return state_of(self.image), False
        self._clear()
        if now is None:
            os.close(self._create(self.absent))
        else:
            try:
                self._copy(target, now)
            except BaseException:
                self.drop()
                raise
        sync_directory(self._store)
        return now, True

    def take(self, target: Path) -> None:
        """Keep the file at ``target`` by taking it away. Raises `OSError`."""
        self._enter()
        os.rename(target, self.image)
        sync_directory(self._store)
        sync_directory(target.parent)

    def note_move(self, state: FileState) -> None:
        """Keep what a file is that will be moved. Raises `OSError`."""
        descriptor = self._create(self._part)
        with open(descriptor, "wb") as file:
            file.write(codec.encode(state))
            file.flush()
            os.fsync(descriptor)
        os.replace(self._part, self._moved)
        sync_directory(self._store)

    def noted_move(self) -> FileState | None:
        """What `note_move` kept; None if it did not come so far."""
        try:
            return codec.decode(self._moved.read_bytes(), FileState)
        except FileNotFoundError:
            return None

    def drop(self) -> None:
        """Keep nothing any more. Nothing of it stays, not even the hidden directory, if it was the last."""
        self._clear()
        _remove_if_empty(self._store)

    def _clear(self) -> None:
        for path in (self.image, self.absent, self._moved, self._part):
            path.unlink(missing_ok=True)

    def _copy(self, target: Path, now: FileState) -> None:
        into = self._create(self._part)
        with open(into, "wb") as kept, target.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                kept.write(chunk)
            kept.flush()
            status = os.fstat(file.fileno())
            if (digest.hexdigest(), status.st_mtime_ns) != (now.digest, now.mtime_ns):
                raise Unavailable(f"{target} is being written to by somebody else: nothing was done")
            os.fchmod(into, now.mode)
            os.utime(into, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(into)
        os.replace(self._part, self.image)

    def _create(self, path: Path) -> int:
        while True:
            self._enter()
            try:
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                if not self._store.parent.is_dir():  # Else another effect's undo removed the hidden directory just now.
                    raise

    def _enter(self) -> None:
        """Make the hidden directory if need be."""
        try:
            self._store.mkdir(0o700)
            sync_directory(self._store.parent)
        except FileExistsError:
            self._check()

    def _check(self) -> None:
        try:
            status = self._store.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise NotAllowed(
                f"{self._store} is no directory that only you can enter, and what is kept there may be secret: remove it, or "
                "`chmod 700` it. Nothing was done"
            )


def state_of(path: Path, *, read: bool = True) -> FileState | None:
    """The file at ``path`` as it is now, itself if it is a symbolic link; None if there is none. Without ``read``, without a digest.

    Raises `BadInput` if it is neither a regular file nor a link, `OSError` if it may not be read.
    """
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            digest = codec.digest(os.fsencode(os.readlink(path))) if read else ""
        elif stat.S_ISREG(status.st_mode):
            digest = _digest_of(path) if read else ""
        else:
            raise not_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileState(mode=stat.S_IMODE(status.st_mode), mtime_ns=status.st_mtime_ns, size_bytes=status.st_size, digest=digest)


def put(source: Path, target: Path) -> None:
    """Give the file at ``source`` the name ``target``, on disk when it returns. Raises `FileExistsError` if there is one: nothing is
    ever replaced. After a crash in the middle it may have both names."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):  # No atomic way here.
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(source, target)
    else:
        sync_directory(target.parent)
        source.unlink()
    sync_directory(target.parent)
    sync_directory(source.parent)


def forget_kept(directory: Path, *, before_ns: int) -> int:
    """Delete what effects in ``directory`` and below it kept before ``before_ns`` (nanoseconds since 1970), and return how much that
    was: they cannot be undone then."""
    hidden = f"{_PREFIX}{os.geteuid()}"
    forgotten = 0
    for here, inside, _ in os.walk(directory):
        store = Path(here, hidden)
        if hidden in inside and not store.is_symlink():
            inside.remove(hidden)
            # Changed, not modified: what is kept has the time of modification of the file that it is.
            old = [path for path in store.iterdir() if path.lstat().st_ctime_ns < before_ns]
            for path in old:
                path.unlink(missing_ok=True)
            _remove_if_empty(store)
            forgotten += len(old)
    return forgotten


def not_regular(path: Path) -> BadInput:
    """The error for a path at which there is something else than a file."""
    return BadInput(f"{path} is {'a directory' if path.is_dir() else 'no regular file'}; give the path of a file")


def sync_directory(directory: Path) -> None:
    """A new name survives a power cut only once its directory is on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest_of(path: Path) -> str:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_if_empty(store: Path) -> None:
    try:
        store.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
