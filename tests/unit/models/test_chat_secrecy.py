"""The API key is used and never shown: whatever goes wrong, and however loudly everybody logs."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
from datetime import timedelta
from typing import Any

import pytest

from bailiwick import codec
from bailiwick.effects import describe
from bailiwick.errors import BadInput, BailiwickError
from bailiwick.models import ChatModel, Message
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble

KEY = 'sk-7/q"Zr\\9x+wT'
"""With everything that is written differently in JSON and in an address."""
IN_AN_ADDRESS = "sk-7%2Fq%22Zr%5C9x%2BwT"
HELLO = [Message(role="user", content="hello")]

ECHOES = [
    Misbehaviour(status=401, body=json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}}).encode()),
    Misbehaviour(status=400, body=json.dumps({"detail": [{"header": f"Bearer {KEY}"}]}).encode()),
    Misbehaviour(status=403, body=f"<p>{KEY}</p>".encode()),
    Misbehaviour(status=403, body=json.dumps(f"say {KEY}").replace("/", "\\/").encode() + b" torn {"),
    Misbehaviour(status=400, body=b"x" * (301 - len(KEY)) + KEY.encode()),
    Misbehaviour(status=500, body=KEY.encode(), headers={"Retry-After": "1"}),
    Misbehaviour(status=429, body=f"?key={IN_AN_ADDRESS}".encode(), headers={"Retry-After": KEY}),
    Misbehaviour(status=307, headers={"Location": f"https://elsewhere.example/?key={IN_AN_ADDRESS}"}),
    Misbehaviour(body=json.dumps({"choices": KEY}).encode()),
    Misbehaviour(body=json.dumps({"choices": [{"message": {"refusal": f"not for {KEY}"}}]}).encode()),
    Misbehaviour(headers={"Content-Encoding": KEY}),
    Misbehaviour(ending="cut", headers={"X-Echo": KEY}),
    Misbehaviour(ending="silent"),
    Misbehaviour(ending="endless"),
    Misbehaviour(body=b"", headers={"Content-Length": KEY}),
]


def _everything_said_of(error: BaseException, *, with_variables: bool = False) -> str:
    said = [str(error), repr(error), "".join(traceback.format_exception(error))]
    if with_variables:  # As rich, pytest and crash reporters show them.
        said += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    if isinstance(error, BailiwickError):
        said += [repr(error.facts), codec.to_json(describe(error)), repr(describe(error))]
    return "\n".join(said)


def _key_is_in(text: str) -> bool:
    """In any way it may be written, or the better part of it."""
    plain = text.replace("\\\\", "\\").replace('\\"', '"').replace("\\/", "/")
    forms = [KEY, KEY[: len(KEY) * 2 // 3], json.dumps(KEY)[1:-1], repr(KEY)[1:-1], IN_AN_ADDRESS]
    return any(form in text or form in plain for form in forms)


def test_the_key_would_be_noticed() -> None:
    assert _key_is_in(_everything_said_of(BadInput(f"key {KEY}")))
    assert _key_is_in(_everything_said_of(BadInput("key", key=KEY)))


async def _fail(url: str, **options: Any) -> BaseException:
    # The model is made elsewhere, so that the key is no variable of a frame that the error passes through.
    chat = ChatModel(url, "double", KEY, clock=VirtualClock(), retries=1, **options)
    return await _error_of(chat)


async def _error_of(chat: ChatModel) -> BaseException:
    try:
        await chat.complete(HELLO)
    except BailiwickError as error:
        return error
    raise AssertionError("it was meant to fail")


@pytest.mark.parametrize("echo", ECHOES, ids=lambda echo: f"{echo.status}-{echo.ending}")
def test_the_key_is_in_no_error_even_if_the_server_says_it(echo: Misbehaviour, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> BaseException:
        async with ModelDouble(api_key=KEY) as double:
            double.misbehave(echo, echo)
            error = await _fail(double.url, timeout=timedelta(seconds=5))
            assert all(asked.headers["authorization"] == f"Bearer {KEY}" for asked in double.asked)
            return error

    error = run(main())
    assert not _key_is_in(_everything_said_of(error))
    ours = [record for record in caplog.records if not record.name.startswith("httpcore")]
    assert not _key_is_in("\n".join(record.getMessage() for record in ours))


def test_the_key_is_in_no_log_of_a_call_that_goes_well(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> str:
        async with ModelDouble(api_key=KEY) as double:
            return (await ChatModel(double.url, None, KEY).complete(HELLO)).text

    assert run(main()) == "hello"
    assert {record.name.partition(".")[0] for record in caplog.records} >= {"httpcore", "httpx"}
    assert not _key_is_in(caplog.text)


def test_the_key_is_in_no_error_of_a_server_that_repeats_it_instead_of_speaking_http() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"{KEY}\r\n\r\n".encode())
        writer.close()

    async def main() -> BaseException:
        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            return await _fail(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    error = run(main())
    assert "[API key]" in str(error), "it repeats what the server said, or the test means nothing"
    assert not _key_is_in(_everything_said_of(error))


@pytest.mark.parametrize("how", [Misbehaviour(status=401), Misbehaviour(ending="cut"), Misbehaviour(ending="silent"), None], ids=repr)
def test_the_key_is_in_no_variable_of_the_frames_an_error_passes(how: Misbehaviour | None) -> None:
    async def main() -> BaseException:
        async with ModelDouble() as double:
            url = double.url
            if how is not None:
                double.misbehave(how)
                return await _fail(url)
        return await _fail(url)

    assert not _key_is_in(_everything_said_of(run(main()), with_variables=True))


def test_the_key_is_in_no_representation() -> None:
    chat = ChatModel("http://localhost:8000", "double", KEY)
    assert repr(chat) == "<ChatModel double at http://localhost:8000/v1, with an API key>"
    assert not _key_is_in(repr(vars(chat)) + "".join(repr(vars(part)) for part in vars(chat).values() if hasattr(part, "__dict__")))


def test_a_model_with_a_key_is_not_pickled_by_accident() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(ChatModel("http://localhost:8000", "double", KEY))


@pytest.mark.parametrize("key", ["", " ", "sk-two words", "sk-new\nline", "sk-süß", "sk-\x00"])
def test_a_key_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(BadInput, match="API key") as caught:
        ChatModel("http://localhost:8000", "double", key)
    assert not key.strip() or key.strip() not in str(caught.value)


def test_a_password_in_the_address_is_refused_without_showing_it() -> None:
    with pytest.raises(BadInput, match="api_key") as caught:
        ChatModel("http://someone:s3cret@localhost:8000/v1")
    assert "s3cret" not in str(caught.value)
