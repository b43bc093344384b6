"""One worker process, as its host sees it: started, called, watched while it works, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

import bailiwick
from bailiwick import codec
from bailiwick.errors import BadInput, Failed, Unavailable
from bailiwick.tools import frames
from bailiwick.tools.records import PROTOCOL, Done, FromWorker, Raised, Ready, Start

_BOOT = "import sys; sys.path.append(sys.argv[1]); from bailiwick.tools.worker import main; main(int(sys.argv[2]), int(sys.argv[3]))"
"""Appended, so that nothing beside our package hides a module of the worker's Python; `Start` brings the host's own path."""
_ROOT = str(Path(bailiwick.__file__).parents[1])
_READ_BYTES = 2**16  # A larger buffer is fetched from the operating system for every read, which takes longer than the read.
_decode = cast(Callable[[bytes], FromWorker], codec.decoder(FromWorker))


class WorkerProcess:
    """A running worker. `exchange` is for one call at a time; after it raised anything, the only thing left to do is `end`.

    The constructor starts the process, which takes a millisecond or two in which the event loop stands still: a process
    started from another thread would be killed when that thread ends (``PR_SET_PDEATHSIG`` watches threads). Raises
    `Unavailable` if the operating system will not start one, `Unencodable` if ``start`` cannot cross.
    """

    def __init__(self, start: Start) -> None:
        self._greeting = frames.pack(start)
        try:
            self._socket, theirs = socket.socketpair()
        except OSError as error:
            raise _cannot_start(error) from error
        # Blocked rather than ignored: a Ctrl-C of this moment reaches us when it is over, and the worker when it is ready for it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                # -P: the directory we happen to be in is not a place to import from.
                [sys.executable, "-P", "-c", _BOOT, _ROOT, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # What tools print is for people; standard output belongs to the host's own command.
                pass_fds=(theirs.fileno(),),
            )
        except OSError as error:
            self._socket.close()
            raise _cannot_start(error) from error
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._socket.setblocking(False)
        self._pidfd = _watch(self._process.pid)
        self._received = bytearray()
        self.ready = False
        """Whether it ever said that it can be called."""

    @property
    def pid(self) -> int:
        """Of the worker."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs, as far as the operating system says now."""
        return self._process.poll() is None

    async def exchange(self, frame: bytes) -> Done | Raised:
        """Send one call and return the answer.

        Raises `ConnectionError` if the worker ended first, `Failed` if what it sent is no answer.
        """
        loop = asyncio.get_running_loop()
        greeting, self._greeting = self._greeting, None
        await loop.sock_sendall(self._socket, frame if greeting is None else greeting + frame)
        if not self.ready:
            hello = await self._read(loop)
            if not isinstance(hello, Ready) or hello.protocol != PROTOCOL:
                raise Failed(f"the worker process {self.pid} is of another version of Bailiwick; restart this program", pid=self.pid)
            self.ready = True
        answer = await self._read(loop)
        if isinstance(answer, Ready):
            raise self._garbled("it is ready, twice")
        return answer

    async def _read(self, loop: asyncio.AbstractEventLoop) -> FromWorker:
        """The next message. The socket is watched only meanwhile: to an event loop on virtual time, an idle worker is no work."""
        if not self._complete():
            ended: asyncio.Future[None] = loop.create_future()
            fd = self._socket.fileno()
            loop.add_reader(fd, self._receive, ended)
            if self._pidfd is not None:  # A process that the tool forked may hold the socket open after the worker is gone.
                loop.add_reader(self._pidfd, self._drain, ended)
            try:
                await ended
            finally:
                loop.remove_reader(fd)
                if self._pidfd is not None:
                    loop.remove_reader(self._pidfd)
        size_bytes = frames.length_of(self._received)
        if size_bytes > frames.LIMIT_BYTES:
            raise self._garbled(f"a frame of {frames.mebibytes(size_bytes)}")
        if not self._complete():
            raise ConnectionResetError(f"the worker process {self.pid} is gone")
        body = bytes(self._received[frames.HEADER_BYTES : frames.HEADER_BYTES + size_bytes])
        del self._received[: frames.HEADER_BYTES + size_bytes]
        try:
            return _decode(body)
        except BadInput as error:
            raise self._garbled(str(error)) from error

    def _receive(self, ended: asyncio.Future[None]) -> bool:
        """Take what has come; ``ended`` if that is a whole message, or all there will ever be. Returns whether there may be more."""
        try:
            chunk = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:  # The other end closed with our call unread: as final as an orderly end.
            chunk = b""
        self._received += chunk
        if (not chunk or self._complete()) and not ended.done():
            ended.set_result(None)
        return bool(chunk)

    def _drain(self, ended: asyncio.Future[None]) -> None:
        """The process has ended, perhaps after it answered: what it sent is all there by now."""
        while self._receive(ended):
            pass
        if not ended.done():
            ended.set_result(None)

    def _complete(self) -> bool:
        """Whether a message is there, or the start of one that is too long to be."""
        size_bytes = len(self._received) - frames.HEADER_BYTES
        return size_bytes >= 0 and (size_bytes >= (announced := frames.length_of(self._received)) or announced > frames.LIMIT_BYTES)

    def _garbled(self, what: str) -> Failed:
        return Failed(f"the worker process {self.pid} sent what is no answer, and was ended: {what}", pid=self.pid)

    def stop(self) -> None:
        """End the call under way, if there is one: `exchange` raises `ConnectionError`. Returns at once; `end` must still be called."""
        self._process.terminate()
        with suppress(OSError):  # Not connected any more: then `exchange` knows.
            self._socket.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        """Stop it, whatever it does. Returns at once; `end` must still be called."""
        self._process.kill()

    def end(self, grace: timedelta) -> int:
        """Wait until the process is gone, and return its exit status, negative for a signal. Blocks: call it in a thread.

        Closes the socket, on which an idle worker ends by itself; one that has not ended after ``grace`` is sent SIGTERM, and
        after as long again SIGKILL.
        """
        self._socket.close()
        for harder in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(grace.total_seconds())
                break
            except subprocess.TimeoutExpired:
                harder()
        status = self._process.wait()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        return status


def _watch(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; None where there are none, and the socket must do."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # An old kernel, a sandbox, or no descriptor to spare.
        return None


def _cannot_start(error: OSError) -> Unavailable:
    return Unavailable(f"no worker process could be started ({sys.executable}): {error}")
