"""The double speaks the interface it doubles, refuses what a server refuses, and misbehaves exactly as ordered."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from bailiwick.testing import run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble

QUESTION = {"model": "double", "messages": [{"role": "user", "content": "three small words"}]}


class Heard(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def _parse(raw: bytes) -> Heard:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return Heard(int(first.split(" ")[1]), dict(line.lower().split(": ", 1) for line in lines), body)


async def _send(double: ModelDouble, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(double.url.rpartition(":")[2].partition("/")[0]))
    writer.write(raw)
    heard = await reader.read()
    writer.close()
    return heard


def _request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _ask(double: ModelDouble, raw: bytes) -> Heard:
    async def main() -> Heard:
        async with double:
            return _parse(await _send(double, raw))

    return run(main())


def _chat(double: ModelDouble, question: Any = QUESTION, *headers: str) -> Heard:
    return _ask(double, _request("POST", "/v1/chat/completions", json.dumps(question).encode(), *headers))


def test_a_completion_has_the_form_and_the_counts_of_the_interface() -> None:
    heard = _chat(ModelDouble(lambda messages: f"{len(messages)} message"))
    assert (heard.status, heard.headers["content-type"]) == (200, "application/json")
    assert json.loads(heard.body) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "double",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "1 message"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def test_max_tokens_cuts_the_answer_and_says_so() -> None:
    choice = json.loads(_chat(ModelDouble(), {**QUESTION, "max_tokens": 2}).body)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("three small", "length")


def test_a_stream_of_events_adds_up_to_the_answer() -> None:
    heard = _chat(ModelDouble(), {**QUESTION, "stream": True})
    assert heard.headers["content-type"] == "text/event-stream"
    *events, end = heard.body.decode().removesuffix("\n\n").split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert end == "data: [DONE]"
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]) == "three small words"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None, None, None, "stop"]
    assert chunks[-1]["usage"]["total_tokens"] == 6


def test_the_models_are_listed() -> None:
    heard = _ask(ModelDouble(models=("one", "two")), _request("GET", "/v1/models"))
    assert [model["id"] for model in json.loads(heard.body)["data"]] == ["one", "two"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_request("GET", "/v2/models"), 404),
        (_request("GET", "/v1/chat/completions"), 404),
        (_request("POST", "/v1/chat/completions", b"{"), 400),
        (_request("POST", "/v1/chat/completions", b"[]"), 400),
        (_request("POST", "/v1/chat/completions", b'{"model": "double", "messages": [{}]}'), 400),
        (_request("POST", "/v1/chat/completions", b'{"model": "other", "messages": []}'), 404),
    ],
)
def test_what_the_interface_does_not_allow_is_refused_in_its_form(request_: bytes, status: int) -> None:
    heard = _ask(ModelDouble(), request_)
    assert heard.status == status
    assert json.loads(heard.body)["error"]["message"]


def test_a_key_is_asked_for_where_one_is_set() -> None:
    assert _chat(ModelDouble(api_key="k")).status == 401
    assert _chat(ModelDouble(api_key="k"), QUESTION, "Authorization: Bearer other").status == 401
    assert _chat(ModelDouble(api_key="k"), QUESTION, "Authorization: Bearer k").status == 200


def test_what_the_answer_raises_is_a_status_500() -> None:
    heard = _chat(ModelDouble(lambda _: str(1 // 0)))
    assert heard.status == 500
    assert "ZeroDivisionError" in json.loads(heard.body)["error"]["message"]


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"GET /v1/mo"])
def test_what_is_not_http_is_hung_up_on(raw: bytes) -> None:
    async def main() -> bytes:
        async with ModelDouble() as double:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(double.url.rpartition(":")[2].partition("/")[0]))
            writer.write(raw)
            writer.write_eof()
            heard = await reader.read()
            writer.close()
            return heard

    assert run(main()) == b""


def test_each_request_is_kept_as_it_arrived() -> None:
    double = ModelDouble()
    _chat(double, QUESTION, "X-Trace: 7")
    [asked] = double.asked
    assert (asked.method, asked.path, asked.headers["x-trace"]) == ("POST", "/v1/chat/completions", "7")
    assert asked.json == QUESTION


def test_misbehaviour_comes_once_each_in_the_order_it_was_ordered() -> None:
    async def main() -> list[int]:
        async with ModelDouble() as double:
            double.misbehave(Misbehaviour(status=503), Misbehaviour(status=599))
            return [_parse(await _send(double, _request("GET", "/v1/models"))).status for _ in range(3)]

    assert run(main()) == [503, 599, 200]


@pytest.mark.parametrize(
    ("how", "body"),
    [
        (Misbehaviour(body=b"0123456789"), b"0123456789"),
        (Misbehaviour(body=b"0123456789", padding_bytes=3), b"   0123456789"),
        (Misbehaviour(body=b"0123456789", ending="cut"), b"01234"),
    ],
)
def test_a_body_is_sent_as_ordered(how: Misbehaviour, body: bytes) -> None:
    double = ModelDouble()
    double.misbehave(how)
    heard = _chat(double)
    assert (heard.status, heard.body) == (200, body)
    assert int(heard.headers["content-length"]) == 10 + how.padding_bytes


def test_headers_are_sent_as_ordered_and_replace_those_that_would_be() -> None:
    double = ModelDouble()
    double.misbehave(Misbehaviour(status=429, headers={"Retry-After": "7", "Content-Type": "text/plain"}))
    heard = _chat(double)
    assert (heard.headers["retry-after"], heard.headers["content-type"]) == ("7", "text/plain")


def test_a_delay_passes_before_the_answer() -> None:
    async def main() -> float:
        async with ModelDouble() as double:
            double.misbehave(Misbehaviour(delay=timedelta(hours=1)))
            await _send(double, _request("GET", "/v1/models"))
            return asyncio.get_running_loop().time()

    assert run(main()) == 3600.0


def test_a_silent_ending_never_ends_and_leaving_closes_it() -> None:
    async def main() -> bytes:
        async with ModelDouble() as double:
            double.misbehave(Misbehaviour(body=b"0123456789", ending="silent"))
            sending = asyncio.create_task(_send(double, _request("GET", "/v1/models")))
            await asyncio.wait([sending], timeout=3600)
            assert not sending.done()
            assert asyncio.get_running_loop().time() == 3600.0
        return await sending

    assert _parse(run(main())).body == b"01234"


def test_an_endless_ending_goes_on_for_as_long_as_it_is_read() -> None:
    async def main() -> int:
        async with ModelDouble() as double:
            double.misbehave(Misbehaviour(ending="endless"))
            reader, writer = await asyncio.open_connection("127.0.0.1", int(double.url.rpartition(":")[2].partition("/")[0]))
            writer.write(_request("GET", "/v1/models"))
            heard = len(await reader.readexactly(2_000_000))
            writer.transport.abort()
            return heard

    assert run(main()) == 2_000_000


def test_after_leaving_connections_are_refused_at_the_same_address() -> None:
    async def main() -> None:
        async with ModelDouble() as double:
            pass
        with pytest.raises(ConnectionRefusedError):
            await _send(double, b"")

    run(main())
