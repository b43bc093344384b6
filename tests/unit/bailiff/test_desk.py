"""The desk answers its owner, and nobody can stop it or pass for somebody else there."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bailiwick import codec
from bailiwick.bailiff import Settings, ask_desk, desk, desk_path
from bailiwick.bailiff.desk import HEADER_BYTES, LIMIT_BYTES, MOST_AT_DESK, Peer, descends, outsiders
from bailiwick.bailiff.records import Decide, ListWaiting, Waiting
from bailiwick.errors import BadInput, Defect, Refused, Unavailable, Unsettled
from bailiwick.ids import EffectId

MODULE = "bailiwick.bailiff.desk"


def everybody(_: Peer) -> str:
    return ""


async def nothing_waits(message: ListWaiting) -> Waiting:
    if message.only is not None:
        raise Refused("no such thing", effect=message.only)
    return Waiting()


async def breaks(_: Any) -> Waiting:
    raise ZeroDivisionError("one by nothing")


DUTIES = {ListWaiting: nothing_waits, Decide: breaks}


def at_the_desk(home: Path, scenario: Callable[[Settings], Awaitable[None]], admit: Any = everybody) -> None:
    settings = Settings(home=str(home))

    async def whole() -> None:
        async with desk(settings, DUTIES, admit=admit):
            await scenario(settings)

    asyncio.run(whole())


async def raw(settings: Settings, data: bytes) -> bytes:
    """What comes back for these bytes."""
    reading, writing = await asyncio.open_unix_connection(str(desk_path(settings)))
    try:
        writing.write(data)
        writing.write_eof()
        said = await reading.read()
        assert said[:HEADER_BYTES] == bytes(HEADER_BYTES)  # Come in.
        return said[HEADER_BYTES:]
    except ConnectionError:
        return b""
    finally:
        writing.close()


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def test_a_question_is_answered_and_an_error_crosses_as_it_was(tmp_path: Path) -> None:
    async def scenario(settings: Settings) -> None:
        assert await ask_desk(settings, ListWaiting(), Waiting) == Waiting()
        with pytest.raises(Refused, match="no such thing") as refusal:
            await ask_desk(settings, ListWaiting(only=EffectId("eff_1")), Waiting)
        assert refusal.value.facts == {"effect": "eff_1"}
        with pytest.raises(Defect, match="ZeroDivisionError: one by nothing"):
            await ask_desk(settings, Decide(rulings=()), Waiting)

    at_the_desk(tmp_path, scenario)


def test_only_its_owner_can_open_it_and_it_is_gone_at_the_end(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"

    async def scenario(settings: Settings) -> None:
        assert stat.S_IMODE(desk_path(settings).stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700

    at_the_desk(home, scenario)
    assert list(home.iterdir()) == []


def test_what_a_process_that_died_left_is_taken_away(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "desk.sock"))

    async def scenario(settings: Settings) -> None:
        assert await ask_desk(settings, ListWaiting(), Waiting) == Waiting()

    at_the_desk(tmp_path, scenario)


def test_two_do_not_share_a_desk_and_no_file_is_overwritten(tmp_path: Path) -> None:
    async def scenario(settings: Settings) -> None:
        with pytest.raises(Unavailable, match="another process answers there"):
            async with desk(settings, DUTIES):
                pass
        assert await ask_desk(settings, ListWaiting(), Waiting) == Waiting()

    at_the_desk(tmp_path, scenario)
    (tmp_path / "desk.sock").write_text("mine")
    with pytest.raises(BadInput, match="is no socket"):
        at_the_desk(tmp_path, scenario)
    assert (tmp_path / "desk.sock").read_text() == "mine"


def test_a_home_may_have_a_longer_path_than_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ("a" * 100) / ("b" * 100)

    async def scenario(settings: Settings) -> None:
        assert await ask_desk(settings, ListWaiting(), Waiting) == Waiting()
        assert desk_path(settings).is_socket()

    at_the_desk(home, scenario)
    monkeypatch.setattr(sys.modules[MODULE], "_DESCRIPTORS", tmp_path / "nowhere")
    with pytest.raises(BadInput, match="choose a shorter --home"):
        at_the_desk(home, scenario)


def test_a_record_in_memory_has_no_desk(tmp_path: Path) -> None:
    async def whole() -> None:
        async with desk(Settings(home=str(tmp_path / "home"), ledger="memory"), DUTIES):
            assert not (tmp_path / "home").exists()

    asyncio.run(whole())


def test_streams_of_one_home_have_desks_of_their_own() -> None:
    paths = {desk_path(Settings(home="/h", ledger="postgres", stream=stream)).name for stream in ("a", "b/../c")}
    assert paths == {"desk.a.sock", "desk.b%2F..%2Fc.sock"}


def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nobody answers"):
        asyncio.run(ask_desk(Settings(home=str(tmp_path)), ListWaiting(), Waiting))


def test_garbage_is_answered_or_dropped_and_the_next_one_is_served(tmp_path: Path) -> None:
    nested = framed(b"\x91" * 100_000)
    hostile = [
        b"",
        b"\x00",
        b"\x00\x00\x00\x05ab",
        (LIMIT_BYTES + 1).to_bytes(4, "big") + b"x",
        b"\xff" * 10_000,
        framed(b""),
        framed(b"\xc1"),
        framed(codec.encode({"type": "quit"})),
        framed(codec.encode({"type": "decide", "rulings": "all"})),
        framed(codec.encode([1, 2, 3])),
        framed(codec.encode({"type": "list", "only": 7})),
        nested,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]

    async def scenario(settings: Settings) -> None:
        for data in hostile:
            answer = await raw(settings, data)
            assert not answer or codec.decode(answer[HEADER_BYTES:], dict[str, Any])["type"] == "problem"
        assert await ask_desk(settings, ListWaiting(), Waiting) == Waiting()

    at_the_desk(tmp_path, scenario)


def test_several_questions_may_come_on_one_connection(tmp_path: Path) -> None:
    async def scenario(settings: Settings) -> None:
        question = framed(codec.encode(ListWaiting()))
        assert await raw(settings, question * 3) == framed(codec.encode(Waiting())) * 3

    at_the_desk(tmp_path, scenario)


def test_whoever_sends_too_slowly_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[MODULE], "PATIENCE_S", 0.02)

    async def scenario(settings: Settings) -> None:
        reading, writing = await asyncio.open_unix_connection(str(desk_path(settings)))
        writing.write(b"\x00\x00")
        assert await reading.read() == bytes(HEADER_BYTES)
        writing.close()
        assert await ask_desk(settings, ListWaiting(), Waiting) == Waiting()

    at_the_desk(tmp_path, scenario)


def test_a_thousand_connections_take_the_desk_from_nobody_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[MODULE], "PATIENCE_S", 0.05)

    async def scenario(settings: Settings) -> None:
        idle: list[asyncio.StreamWriter] = []
        readers: list[asyncio.StreamReader] = []
        for _ in range(1_000):
            reading, writing = await asyncio.open_unix_connection(str(desk_path(settings)))
            readers.append(reading)
            idle.append(writing)
        heard = [await reading.read() for reading in readers]  # Each is left: at once, or when its time is over.
        assert set(heard) <= {b"", bytes(HEADER_BYTES)}
        assert heard.count(bytes(HEADER_BYTES)) >= MOST_AT_DESK
        assert await ask_desk(settings, ListWaiting(), Waiting) == Waiting()
        for writing in idle:
            writing.close()

    with many_files(3_000):
        at_the_desk(tmp_path, scenario)


@contextmanager
def many_files(number: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, number), hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_acts_for_agents_is_turned_away(tmp_path: Path) -> None:
    """This process, a worker, and what a worker starts."""
    code = (
        "import asyncio, sys; from bailiwick.bailiff import Settings, ask_desk;"
        "from bailiwick.bailiff.records import ListWaiting, Waiting;"
        "from bailiwick.errors import Refused\n"
        "try: asyncio.run(ask_desk(Settings(home=sys.argv[1]), ListWaiting(), Waiting))\n"
        "except Refused as error: print(error.message)"
    )

    async def scenario(settings: Settings) -> None:
        with pytest.raises(Refused, match="who acts for agents cannot decide"):
            await ask_desk(settings, ListWaiting(), Waiting)
        shell = ["/bin/sh", "-c", '"$0" "$@"; true', sys.executable, "-c", code, str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        child = await asyncio.create_subprocess_exec(*shell, stdout=subprocess.PIPE, env=environment)
        said, _ = await child.communicate()
        assert b"who acts for agents cannot decide" in said

    at_the_desk(tmp_path, scenario, outsiders)


def test_who_is_being_answered_is_told_before_the_desk_goes(tmp_path: Path) -> None:
    """What lets the last run end must not look like a failure to the person who decided it."""

    async def whole() -> None:
        leaving = asyncio.Event()

        async def slow(_: ListWaiting) -> Waiting:
            leaving.set()
            await asyncio.sleep(0.01)
            return Waiting()

        settings = Settings(home=str(tmp_path))
        async with desk(settings, {ListWaiting: slow}, admit=everybody):
            asking = asyncio.ensure_future(ask_desk(settings, ListWaiting(), Waiting))
            await leaving.wait()
        assert await asking == Waiting()

    asyncio.run(whole())


def test_a_question_without_an_answer_is_unsettled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[MODULE], "PATIENCE_S", 0.01)

    async def whole() -> None:
        asked = asyncio.Event()

        async def hangs(_: ListWaiting) -> Waiting:
            asked.set()
            await asyncio.Event().wait()
            return Waiting()

        settings = Settings(home=str(tmp_path))
        async with desk(settings, {ListWaiting: hangs}, admit=everybody):
            asking = asyncio.ensure_future(ask_desk(settings, ListWaiting(), Waiting))
            await asked.wait()
        with pytest.raises(Unsettled, match="look at what is on record"):
            await asking

    asyncio.run(whole())


def test_another_user_is_turned_away_and_who_started_this_is_let_in() -> None:
    assert "user 12345 is not" in outsiders(Peer(os.getppid(), 12345))
    assert outsiders(Peer(os.getppid(), os.getuid())) == ""
    assert not descends(1, os.getpid())
    assert not descends(2**30, os.getpid())
    assert descends(os.getpid(), os.getppid())
