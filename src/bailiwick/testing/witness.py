"""A witness: a process of its own that performs effects, and keeps a book of what it did that no crash of yours can touch.

Tests of crashes need one. What is recorded twice, or not at all, must be counted by somebody who was not there when it was recorded.
The process runs this file, alone: it imports nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self, cast

_PATIENCE_S = 60.0
_LONGEST_QUESTION_BYTES = 2**20


class Performed(NamedTuple):
    """One line of the book: something that happened, once."""

    what: str
    key: str
    """The idempotency key it was asked under; empty if none was given."""
    serial: int
    """What whoever asked was told: counted from 1, so that no two performances have the same."""
    saw: Any
    """What whoever asked said that it went by."""
    undone: bool = False
    """It was taken back since."""


class Witness:
    """``with Witness(tmp_path / "book") as witness:`` a witness at work; programs reach it as ``WitnessClient(witness.address)``.

    Each effect is on disk in ``book`` before it counts as performed, and ``answers_after`` that whoever asked is told. A book that is
    there already is gone on with. The process ends with the block, and also when the process that started it is killed.
    """

    def __init__(self, book: Path, *, answers_after: timedelta = timedelta(0)) -> None:
        self._book = book
        self._answers_after = answers_after

    def __enter__(self) -> Self:
        # Not beside the book: the path of a socket may have some hundred characters.
        self.address = str(Path(tempfile.mkdtemp(prefix="witness-")) / "socket")
        """Where it listens: a socket in a folder that only you can enter, which goes with the process."""
        command = [sys.executable, "-P", __file__, self.address, str(self._book), str(self._answers_after.total_seconds())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._expect(b"open")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=_PATIENCE_S)

    def withhold(self, nth: int) -> None:
        """Perform the ``nth`` effect from now on as any other, and never answer it: whoever asked can only be killed while it waits."""
        self._tell(f"withhold {nth}")
        self._expect(b"withholding")

    def until_withheld(self, patience: timedelta = timedelta(seconds=_PATIENCE_S)) -> str:
        """Wait until that effect has been performed, and return what it was. Raises `TimeoutError`."""
        return self._expect(b"withheld ", patience.total_seconds()).decode()

    def book(self) -> list[Performed]:
        """Everything that was performed, in order."""
        found: dict[int, Performed] = {}
        for line in self._book.read_text("utf-8").splitlines():
            entry = json.loads(line)
            if "undid" in entry:
                found[entry["undid"]] = found[entry["undid"]]._replace(undone=True)
            else:
                found[entry["serial"]] = Performed(**entry)
        return list(found.values())

    def size_bytes(self) -> int:
        """How long the book is: a cheap way to see that something happened."""
        return self._book.stat().st_size

    def doubled(self) -> dict[str, int]:
        """What was performed more than once without having been taken back in between, and how often."""
        standing = Counter(performed.what for performed in self.book() if not performed.undone)
        return {what: times for what, times in standing.items() if times > 1}

    def _tell(self, order: str) -> None:
        cast("BinaryIO", self._process.stdin).write(f"{order}\n".encode())

    def _expect(self, beginning: bytes, patience_s: float = _PATIENCE_S) -> bytes:
        said = cast("BinaryIO", self._process.stdout)
        if not select.select([said], [], [], patience_s)[0]:
            raise TimeoutError(f"the witness did not say `{beginning.decode().strip()}` within {patience_s} s")
        line = said.readline().rstrip(b"\n")
        if not line.startswith(beginning):
            raise OSError(f"the witness said {line!r}, not `{beginning.decode().strip()}`; its exit status is {self._process.poll()}")
        return line[len(beginning) :]


class WitnessClient:
    """Asks a witness; each question on a connection of its own. All raise `OSError` where nobody listens or nobody answers any more."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def perform(self, what: str, *, key: str = "", saw: object = None) -> int:
        """Have it happen, and return its serial number. Under a ``key`` it happens once, however often it is asked for."""
        return await self._ask({"perform": what, "key": key, "saw": saw})

    async def find(self, what: str) -> int | None:
        """The serial number of the newest ``what`` that stands, or None if there is none."""
        return await self._ask({"find": what})

    async def take_back(self, what: str) -> bool:
        """Take back the newest ``what`` that stands. Returns whether there was one."""
        return await self._ask({"take_back": what})

    async def look(self) -> int:
        """A number that nobody is told twice: what a program goes by, if it has lost what it was told, is another."""
        return await self._ask({"look": None})

    async def _ask(self, question: dict[str, object]) -> Any:
        reader, writer = await asyncio.open_unix_connection(self._address, limit=_LONGEST_QUESTION_BYTES)
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            line = await reader.readline()
        finally:
            writer.close()
        if not line.endswith(b"\n"):
            raise ConnectionResetError(f"the witness at {self._address} did not answer")
        return json.loads(line)


class _OtherSide:
    """The other side: what the process does."""

    def __init__(self, book: Path, answers_after_s: float) -> None:
        self._answers_after_s = answers_after_s
        self._serials: dict[str, list[int]] = {}
        """What stands of each effect, oldest first."""
        self._by_key: dict[str, int] = {}
        self._last = 0
        self._looks = 0
        self._until_withheld = 0
        for line in book.read_text("utf-8").splitlines() if book.exists() else []:
            self._count(json.loads(line))
        self._file = os.open(book, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def obey(self, order: str) -> None:
        """One line from whoever started the process."""
        self._until_withheld = int(order.removeprefix("withhold "))
        _say("withholding")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: questions, each answered before the next is read."""
        try:
            while line := await reader.readline():
                question = json.loads(line)
                answer, withheld = self._answer(question)
                if "perform" in question:
                    await asyncio.sleep(self._answers_after_s)
                if withheld:
                    await reader.read()  # Until whoever asked is gone.
                    return
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return  # Whoever asked was killed.
        finally:
            writer.close()

    def _answer(self, question: dict[str, Any]) -> tuple[object, bool]:
        match question:
            case {"perform": what, "key": key, "saw": saw}:
                return self._perform(what, key, saw)
            case {"find": what}:
                standing = self._serials.get(what)
                return (standing[-1] if standing else None), False
            case {"take_back": what}:
                standing = self._serials.get(what)
                if not standing:
                    return False, False
                self._write({"undid": standing[-1], "what": what})
                return True, False
            case _:
                self._looks += 1
                return self._looks, False

    def _perform(self, what: str, key: str, saw: object) -> tuple[int, bool]:
        known = self._by_key.get(key)
        if known is not None:
            return known, False
        self._write({"what": what, "key": key, "serial": self._last + 1, "saw": saw})
        self._until_withheld -= 1
        if self._until_withheld == 0:
            _say(f"withheld {what}")
        return self._last, self._until_withheld == 0

    def _write(self, entry: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(entry).encode() + b"\n")
        os.fsync(self._file)
        self._count(entry)

    def _count(self, entry: dict[str, Any]) -> None:
        standing = self._serials.setdefault(entry["what"], [])
        if "undid" in entry:
            standing.remove(entry["undid"])
            self._by_key = {key: serial for key, serial in self._by_key.items() if serial != entry["undid"]}
            return
        self._last = entry["serial"]
        standing.append(self._last)
        if entry["key"]:
            self._by_key[entry["key"]] = self._last


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def _serve(address: str, book: str, answers_after_s: str) -> None:
    service = _OtherSide(Path(book), float(answers_after_s))
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    server = await asyncio.start_unix_server(service.serve, address, limit=_LONGEST_QUESTION_BYTES, backlog=1_000)
    _say("open")
    while order := await orders.readline():
        service.obey(order.decode().rstrip("\n"))
    server.close()  # Not waited for: whoever is still connected may wait for an answer that is withheld.


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
    shutil.rmtree(Path(sys.argv[1]).parent)
