"""What goes wrong between an asker and a model, and which of the five families it is. The double misbehaves over real sockets."""

from __future__ import annotations

import asyncio
import builtins
import socket
import sys
from datetime import timedelta
from typing import Any

import pytest

from bailiwick.errors import BadInput, BailiwickError, Failed, Refused, Unavailable
from bailiwick.models import ChatModel, Completion
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble
from tests.unit.models.told import HELLO, ask

# Statuses


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (302, BadInput),
        (400, BadInput),
        (401, Refused),
        (402, Refused),
        (403, Refused),
        (404, BadInput),
        (405, BadInput),
        (408, Unavailable),
        (413, BadInput),
        (415, BadInput),
        (422, BadInput),
        (425, Unavailable),
        (429, Unavailable),
        (451, Refused),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
        (529, Unavailable),
    ],
)
def test_a_status_becomes_an_error_of_the_family_that_says_whether_to_ask_again(status: int, family: type[BailiwickError]) -> None:
    error = ask(Misbehaviour(status=status), retries=0).error
    assert type(error) is family
    assert error.facts["status"] == status
    assert str(status) in error.message or status == 302


@pytest.mark.parametrize("status", [400, 401, 408, 422, 425, 500, 502, 504])
def test_only_429_503_and_failed_connections_are_tried_again(status: int) -> None:
    told = ask(Misbehaviour(status=status))
    assert (told.requests, told.waited_s) == (1, 0.0)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"error": {"message": "context of 4096 tokens exceeded", "code": 400}}', "context of 4096 tokens exceeded"),
        (b'{"error": "no such model"}', "no such model"),
        (b'{"message": "bad seed", "object": "error"}', "bad seed"),
        (b'{"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}', '"msg":"field required"'),
        (b"<html>gateway</html>", "<html>gateway</html>"),
        (b"[1, 2]", "[1,2]"),
        (b"\xff\xfe", "answered 400: \ufffd\ufffd"),
        (b'{"message": "\\u001b[2J\\u0007red\\nline"}', "[2J red line"),
        (b"[" * 100_000, "[[["),
        (b"", "answered 400"),
    ],
)
def test_the_servers_own_words_are_repeated_in_one_printable_line(body: bytes, shown: str) -> None:
    message = ask(Misbehaviour(status=400, body=body)).error.message
    assert shown in message
    assert message.isprintable()


def test_a_long_complaint_is_cut() -> None:
    message = ask(Misbehaviour(status=400, body=b"word " * 100_000)).error.message
    assert len(message) < 400
    assert message.endswith("…")


def test_an_unknown_model_is_refused_with_the_servers_words() -> None:
    async def main() -> None:
        async with ModelDouble() as double:
            await ChatModel(double.url, "other").complete(HELLO)

    with pytest.raises(BadInput, match="The model `other` does not exist"):
        run(main())


def test_a_redirect_is_not_followed_but_shown() -> None:
    told = ask(Misbehaviour(status=307, headers={"Location": "https://elsewhere.example/v1"}))
    assert "https://elsewhere.example/v1" in told.error.message
    assert told.requests == 1


# Connections


def _refusing_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_tried_again_and_then_unavailable() -> None:
    async def main() -> float:
        chat = ChatModel(f"http://127.0.0.1:{_refusing_port()}", "double", clock=VirtualClock())
        with pytest.raises(Unavailable, match=r"cannot be reached: .*(refused|failed)") as caught:
            await chat.complete(HELLO)
        assert caught.value.facts == {"sent": False, "attempts": 4}
        return asyncio.get_running_loop().time()

    assert 1.75 <= run(main()) <= 3.5


def test_a_server_that_comes_up_late_is_reached() -> None:
    async def main() -> str:
        port = _refusing_port()
        chat = ChatModel(f"http://127.0.0.1:{port}", "double", clock=VirtualClock())
        asking = asyncio.create_task(chat.complete(HELLO))
        await asyncio.sleep(0.1)
        async with ModelDouble(port=port):
            return (await asking).text

    assert run(main()) == "hello"


def test_a_name_nobody_knows_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def main() -> None:
        await ChatModel("http://nowhere.invalid", "double", clock=VirtualClock(), retries=1).complete(HELLO)

    with pytest.raises(Unavailable, match="Name or service not known") as caught:
        run(main())
    assert caught.value.facts == {"sent": False, "attempts": 2}


def test_a_connection_that_does_not_come_about_is_given_up_and_tried_again() -> None:
    async def main(port: int) -> float:
        chat = ChatModel(f"http://127.0.0.1:{port}", "double", clock=VirtualClock(), connect_timeout=timedelta(seconds=9), retries=1)
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            await chat.complete(HELLO)
        assert caught.value.facts == {"sent": False, "attempts": 2}
        return asyncio.get_running_loop().time()

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:  # Nobody accepts: once the queue is full, further connections are left without an answer.
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            assert 18.25 <= run(main(port), patience=timedelta(milliseconds=20)) <= 18.5
        finally:
            for one in waiting:
                one.close()


def test_a_server_that_does_not_speak_tls_is_unavailable() -> None:
    async def main() -> None:
        async with ModelDouble() as double:
            await ChatModel(double.url.replace("http:", "https:"), "double", clock=VirtualClock(), retries=0).complete(HELLO)

    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        run(main())
    assert caught.value.facts["sent"] is False


# Answers that are late, torn, endless or wrong


@pytest.mark.parametrize("how", [Misbehaviour(delay=timedelta(hours=1)), Misbehaviour(ending="silent")])
def test_an_answer_that_does_not_come_in_time_is_unavailable_and_not_asked_for_again(how: Misbehaviour) -> None:
    told = ask(how, timeout=timedelta(seconds=30))
    assert type(told.error) is Unavailable
    assert "within 30 s" in told.error.message
    assert told.error.facts == {"sent": True, "attempts": 1}
    assert (told.requests, told.waited_s) == (1, 30.0)


def test_a_slow_answer_within_the_time_is_an_answer() -> None:
    told = ask(Misbehaviour(delay=timedelta(seconds=29)), timeout=timedelta(seconds=30))
    assert isinstance(told.came_to, Completion)
    assert told.waited_s == 29.0


def test_an_answer_that_breaks_off_is_unavailable_and_not_asked_for_again() -> None:
    told = ask(Misbehaviour(ending="cut"))
    assert type(told.error) is Unavailable
    assert "broke off" in told.error.message
    assert told.error.facts == {"sent": True, "attempts": 1}
    assert told.requests == 1


@pytest.mark.parametrize("how", [Misbehaviour(ending="endless"), Misbehaviour(padding_bytes=100_000)])
def test_an_answer_longer_than_the_limit_is_a_failure(how: Misbehaviour) -> None:
    told = ask(how, max_response_bytes=10_000)
    assert type(told.error) is Failed
    assert "max_response_bytes, 10000" in told.error.message


def test_an_answer_of_exactly_the_limit_is_read() -> None:
    told = ask(Misbehaviour(body=b'{"choices": [{"message": {"content": "hi"}}]}'), max_response_bytes=45)
    assert isinstance(told.came_to, Completion)


def test_an_endless_complaint_is_still_told_by_its_status() -> None:
    told = ask(Misbehaviour(status=400, body=b"too long", ending="endless"), max_response_bytes=10_000)
    assert type(told.error) is BadInput
    assert "too long" in told.error.message


def test_a_compressed_answer_is_not_unpacked() -> None:
    told = ask(Misbehaviour(headers={"Content-Encoding": "gzip"}))
    assert type(told.error) is Failed
    assert "compressed" in told.error.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff",
        b"[]",
        b"{",
        b"{}",
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": -1}}',
        b'{"choices": [{"message": {"content": "hi"}}], "usage": {"completion_tokens": 1e99}}',
        b'{"choices": [{"message": {"content": "hi"}}], "usage": {"completion_tokens": ' + b"9" * 5000 + b"}}",
        b'{"other": ' + b"[" * 100_000,
    ],
)
def test_an_answer_that_is_no_completion_is_a_failure(body: bytes) -> None:
    told = ask(Misbehaviour(body=body))
    assert type(told.error) is Failed
    assert told.requests == 1


def test_a_model_that_declines_is_a_failure_with_its_words_and_its_cost() -> None:
    told = ask(
        Misbehaviour(
            body=b'{"choices": [{"message": {"content": null, "refusal": "I would rather not."}, "finish_reason": "stop"}],'
            b' "usage": {"prompt_tokens": 4, "completion_tokens": 5}}'
        )
    )
    assert "I would rather not." in told.error.message
    assert told.error.facts == {"prompt_tokens": 4, "completion_tokens": 5, "finish_reason": "stop"}


# Cancelling


def test_a_cancelled_question_ends_at_once() -> None:
    async def main() -> float:
        async with ModelDouble() as double:
            double.misbehave(Misbehaviour(ending="silent"))
            asking = asyncio.create_task(ChatModel(double.url, "double").complete(HELLO))
            await asyncio.sleep(5)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            return asyncio.get_running_loop().time()

    assert run(main()) == 5.0


def test_a_deadline_of_the_asker_is_not_mistaken_for_the_models() -> None:
    async def main() -> None:
        async with ModelDouble() as double:
            double.misbehave(Misbehaviour(ending="silent"))
            async with asyncio.timeout(5):
                await ChatModel(double.url, "double", timeout=timedelta(seconds=30)).complete(HELLO)

    with pytest.raises(TimeoutError):
        run(main())


# Without httpx


def test_without_httpx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def blocked(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "httpx":
            raise ModuleNotFoundError("No module named 'httpx'", name="httpx")
        return real(name, *args, **options)

    monkeypatch.delitem(sys.modules, "httpx", raising=False)
    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(BadInput, match=r"pip install 'bailiwick\[models\]'"):
        ChatModel("http://localhost:8000", "double")
