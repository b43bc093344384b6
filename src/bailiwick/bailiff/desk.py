"""The desk: where people reach a bailiwick that is running, from another process of the same user on the same machine.

A Unix-domain socket in ``home`` that only its owner can open. A message is four bytes of length, big-endian, and MessagePack of a tagged
struct; each has one answer. First the desk says an empty message to those it lets in: what was said before that, nobody heard.

Whoever connects is asked of the kernel, not believed: another user is turned away, and so is whoever acts for agents, this process and
every process that descends from it: those who ask must not be those who decide.

What a name in a ruling is worth: everybody who may use this account can give any name of it. It is an account of who decided among people
who trust each other with the account, not a proof.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union, cast
from urllib.parse import quote

import msgspec

from bailiwick import codec
from bailiwick.bailiff.records import Problem
from bailiwick.bailiff.settings import Settings
from bailiwick.bailiff.settling import writing_process
from bailiwick.effects import describe, rebuild
from bailiwick.errors import BadInput, BailiwickError, Defect, Failed, Refused, Unavailable, Unsettled

T = TypeVar("T", bound=msgspec.Struct)

Duty = Callable[[Any], Awaitable[msgspec.Struct]]
Duties = Mapping[type[msgspec.Struct], Duty]
"""What the desk is asked, and who answers it. What one raises reaches whoever asked, as it was raised."""

HEADER_BYTES = 4
LIMIT_BYTES = 2 * 2**20
"""The longest message to the desk."""

ANSWER_BYTES = 16 * 2**20
"""The longest answer."""

PATIENCE_S = 5.0
"""How long a message may take to arrive, from the first wait for it to its last byte; then whoever sends it is left."""

ANSWER_S = 60.0
"""How long who asks waits for an answer."""

MOST_AT_DESK = 64
"""Further connections are closed at once: come again."""

_SUN_PATH_BYTES = 107
_DESCRIPTORS = Path("/proc/self/fd")
_CREDENTIALS = struct.Struct("3i")
_log = logging.getLogger(__name__)


class Peer(NamedTuple):
    """Who is at the other end, by the kernel's word; -1 where it does not tell."""

    pid: int
    uid: int


Admission = Callable[[Peer], str]
"""Why somebody is turned away; empty for those who are let in."""


def desk_path(settings: Settings) -> Path:
    """Where the desk of whoever writes the record of ``settings`` is."""
    name = f"desk.{quote(settings.stream, safe='')}.sock" if settings.ledger == "postgres" else "desk.sock"
    return settings.home_path / name


def outsiders(peer: Peer) -> str:
    """Let in who is the same user and does not act for agents."""
    if peer.uid not in (os.getuid(), -1):
        return f"user {peer.uid} is not the one who runs this"
    if peer.pid > 0 and descends(peer.pid, os.getpid()):
        return "who acts for agents cannot decide on what they ask for: use a terminal that this process did not start"
    return ""


def descends(pid: int, ancestor: int) -> bool:
    """Whether process ``pid`` is ``ancestor``, or was started by it or by one that was, as far as those live that stand between."""
    for _ in range(1_000):
        if pid == ancestor:
            return True
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
            pid = int(after_name.split()[1])
        except (OSError, ValueError, IndexError):
            return False
        if pid <= 1:
            return False
    return True


@asynccontextmanager
async def desk(settings: Settings, duties: Duties, *, admit: Admission = outsiders) -> AsyncGenerator[None]:
    """Answer whoever comes to the desk, until the end of the block; then it is gone.

    A record in memory has none: nobody else can see what waits. Raises `Unavailable` if another process answers there, `BadInput` where
    there can be no socket.
    """
    if settings.ledger == "memory":
        yield
        return
    path = desk_path(settings)
    listening = _listen(path)
    inode = path.lstat().st_ino
    at_desk = _Desk(duties, admit)
    server = await asyncio.start_unix_server(at_desk.serve, sock=listening, limit=2**16, backlog=MOST_AT_DESK)
    try:
        yield
    finally:
        server.close()
        await at_desk.close()
        with suppress(OSError):
            if path.lstat().st_ino == inode:  # Not that of a later one.
                path.unlink()


def is_at_desk(settings: Settings) -> bool:
    """Whether a process writes the record that can be asked."""
    return writing_process(settings) is not None and desk_path(settings).is_socket()


async def ask_desk(settings: Settings, message: msgspec.Struct, answer: type[T]) -> T:
    """Ask the process that writes the record, and return what it says. Raises what it raised; `Unavailable` if nobody answers there; and
    `Unsettled` if it took the question and did not answer: then nobody here knows what came of it."""
    path = desk_path(settings)
    sent = False
    try:
        async with asyncio.timeout(ANSWER_S):
            reading, writing = await _connect(path)
            try:
                data = await _receive(reading, ANSWER_BYTES)
                if not data:
                    question = _encoded(message, LIMIT_BYTES)
                    sent = True
                    await _send(writing, question)
                    data = await _receive(reading, ANSWER_BYTES)
            finally:
                writing.close()
    except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
        why = f"no answer within {ANSWER_S:.0f} s" if isinstance(error, TimeoutError) else str(error)
        if sent:
            raise Unsettled(f"{path}: it was asked and did not answer ({why}): look at what is on record before you ask again") from None
        raise Unavailable(f"{path}: nobody answers ({why}); whoever writes the record may be starting or ending: try again") from None
    kind: Any = answer | Problem  # Told apart by their tags.
    found: msgspec.Struct = codec.decode(data, kind)
    if isinstance(found, Problem):
        raise rebuild(found.failure, Failed)
    return cast(T, found)


class _Desk:
    def __init__(self, duties: Duties, admit: Admission) -> None:
        self._duties = duties
        self._admit = admit
        self._decode = codec.decoder(Union[tuple(duties)])  # noqa: UP007
        self._at_work: set[asyncio.Task[Any]] = set()
        self._answering: set[asyncio.Task[Any] | None] = set()
        self._closing = False

    async def serve(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._at_work) >= MOST_AT_DESK:
            writing.close()
            return
        self._at_work.add(task)
        try:
            await self._serve(reading, writing)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return  # They left, or were too slow.
        except asyncio.CancelledError:
            if not self._closing:  # By us: then nobody waits for this task but `close`.
                raise
        finally:
            self._at_work.discard(task)
            writing.close()

    async def close(self) -> None:
        """Let those go who have asked nothing; whoever is being answered is told first, but not waited for longer than for a message."""
        self._closing = True
        for task in self._at_work - self._answering:
            task.cancel()
        if self._at_work:
            _, late = await asyncio.wait(self._at_work, timeout=PATIENCE_S)
            for task in late:
                task.cancel()

    async def _serve(self, reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        if why := self._admit(_peer(writing.get_extra_info("socket"))):
            await _send(writing, codec.encode(Problem(failure=describe(Refused(f"turned away: {why}")))))
            return
        await _send(writing, b"")
        while not self._closing:
            async with asyncio.timeout(PATIENCE_S):
                data = await _receive(reading, LIMIT_BYTES)
            self._answering.add(task := asyncio.current_task())
            try:
                answer = await self._answer(data)
                async with asyncio.timeout(PATIENCE_S):
                    await _send(writing, answer)
            finally:
                self._answering.discard(task)

    async def _answer(self, data: bytes) -> bytes:
        try:
            message = self._decode(data)
            return _encoded(await self._duties[type(message)](message), ANSWER_BYTES)
        except BailiwickError as error:
            return codec.encode(Problem(failure=describe(error)))
        except Exception as error:
            _log.exception("the desk could not answer")
            return codec.encode(Problem(failure=describe(Defect(f"the desk could not answer: {type(error).__name__}: {error}"))))


def _encoded(message: msgspec.Struct, limit_bytes: int) -> bytes:
    data = codec.encode(message)
    if len(data) > limit_bytes:
        raise BadInput(f"a message of {len(data)} bytes is too long for the desk; it takes {limit_bytes}")
    return data


async def _receive(reading: asyncio.StreamReader, limit_bytes: int) -> bytes:
    length = int.from_bytes(await reading.readexactly(HEADER_BYTES), "big")
    if length > limit_bytes:
        raise ConnectionError(f"a message of {length} bytes is too long")
    return await reading.readexactly(length)


async def _send(writing: asyncio.StreamWriter, data: bytes) -> None:
    writing.write(len(data).to_bytes(HEADER_BYTES, "big") + data)
    await writing.drain()


async def _connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with _Reachable(path) as address:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.connect(address)
            connected.setblocking(False)
            peer = _peer(connected)
            if peer.uid not in (os.getuid(), -1):
                raise ConnectionError(f"user {peer.uid} answers there, who is not the one who runs this")
            return await asyncio.open_unix_connection(sock=connected)
        except BaseException:
            connected.close()
            raise


def _listen(path: Path) -> socket.socket:
    """A socket that listens at ``path``, which only its owner can connect to. What a process that died left there is taken away."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _Reachable(path) as address:
            try:
                listening.bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                _take_away(path, address)
                listening.bind(address)
        path.chmod(0o600)  # Before it listens nobody can connect.
        listening.listen(MOST_AT_DESK)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise BadInput(f"{path}: no socket can be made there: {error.strerror or error}; choose another --home") from None
    except BaseException:
        listening.close()
        raise
    return listening


def _take_away(path: Path, address: str) -> None:
    """Raises `Unavailable` if somebody lives there, `BadInput` if it is no socket."""
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise BadInput(f"{path} is there and is no socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(PATIENCE_S)
        try:
            asking.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # It is full, or slow: somebody is there.
    raise Unavailable(f"{path}: another process answers there; give each its own --home")


class _Reachable:
    """An address for ``path`` that the kernel takes, however long the path is: where it is too long, by a descriptor of its folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= _SUN_PATH_BYTES:
            return str(self._path)
        if not _DESCRIPTORS.is_dir():
            raise BadInput(f"{self._path} is too long for the address of a socket ({_SUN_PATH_BYTES} bytes); choose a shorter --home")
        self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"{_DESCRIPTORS}/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        if self._folder >= 0:
            os.close(self._folder)


def _peer(connected: Any) -> Peer:
    if not hasattr(socket, "SO_PEERCRED"):
        return Peer(-1, -1)
    pid, uid, _ = _CREDENTIALS.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid, uid)
