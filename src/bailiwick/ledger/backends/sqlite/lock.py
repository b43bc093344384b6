"""One writer: a lock on a file beside the ledger, which the operating system takes back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from bailiwick.errors import LedgerUnavailable


class WriterLock:
    """Held by the one process that may write ``path``. The file stays when the lock goes; it is the lock that counts."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def take(cls, path: Path) -> WriterLock:
        """Raises `LedgerUnavailable` naming the holder if there is one, and `OSError` if the file cannot be made or locked."""
        fd = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise LedgerUnavailable(
                f"{path}: process {holder or 'unknown'} is writing it; wait until that has ended, stop it, or use another `home`",
                path=str(path),
                pid=int(holder) if holder.isdigit() else 0,
            ) from None
        except OSError:
            os.close(fd)
            raise
        return cls(fd)

    def release(self) -> None:
        """Let others write. In the child of a fork it gives up the copy that the child has, not the parent's lock. May be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
