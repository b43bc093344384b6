"""What goes wrong between an asker and a model, and which of the five families it is. The double misbehaves over real sockets."""

from __future__ import annotations

import asyncio
import builtins
import socket
import ssl
import sys
from datetime import timedelta
from typing import Any

import pytest

from bailiwick.errors import BadInput, BailiwickError, Failed, Refused, Unavailable
from bailiwick.models import ChatModel, Completion, Message
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble

HELLO = [Message(role="user", content="hello")]
BUSY = Misbehaviour(status=503)


class Told:
    """What one call came to, and what it took in virtual time and requests."""

    def __init__(self, came_to: Completion | BailiwickError, waited_s: float, requests: int) -> None:
        self.came_to = came_to
        self.waited_s = waited_s
        self.requests = requests

    @property
    def error(self) -> BailiwickError:
        assert isinstance(self.came_to, BailiwickError), self.came_to
        return self.came_to


def _ask(*ordered: Misbehaviour, **options: Any) -> Told:
    async def main() -> Told:
        async with ModelDouble() as double:
            double.misbehave(*ordered)
            chat = ChatModel(double.url, "double", clock=VirtualClock(), **options)
            try:
                came_to: Completion | BailiwickError = await chat.complete(HELLO)
            except BailiwickError as error:
                came_to = error
            return Told(came_to, asyncio.get_running_loop().time(), len(double.asked))

    return run(main())


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
    error = _ask(Misbehaviour(status=status), retries=0).error
    assert type(error) is family
    assert error.facts["status"] == status
    assert str(status) in error.message or status == 302


@pytest.mark.parametrize("status", [400, 401, 408, 422, 425, 500, 502, 504])
def test_only_429_503_and_failed_connections_are_tried_again(status: int) -> None:
    told = _ask(Misbehaviour(status=status))
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
    message = _ask(Misbehaviour(status=400, body=body)).error.message
    assert shown in message
    assert message.isprintable()


def test_a_long_complaint_is_cut() -> None:
    message = _ask(Misbehaviour(status=400, body=b"word " * 100_000)).error.message
    assert len(message) < 400
    assert message.endswith("…")


def test_an_unknown_model_is_refused_with_the_servers_words() -> None:
    async def main() -> None:
        async with ModelDouble() as double:
            await ChatModel(double.url, "other").complete(HELLO)

    with pytest.raises(BadInput, match="The model `other` does not exist"):
        run(main())


def test_a_redirect_is_not_followed_but_shown() -> None:
    told = _ask(Misbehaviour(status=307, headers={"Location": "https://elsewhere.example/v1"}))
    assert "https://elsewhere.example/v1" in told.error.message
    assert told.requests == 1


# Trying again


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_until_it_answers(status: int) -> None:
    told = _ask(*[Misbehaviour(status=status)] * 3)
    assert isinstance(told.came_to, Completion)
    assert told.requests == 4
    # Back-offs of 0.5, 1 and 2 s, each shortened by up to half.
    assert 1.75 <= told.waited_s <= 3.5


def test_bytes_sent_are_counted_over_all_attempts() -> None:
    once, twice = _ask(), _ask(BUSY)
    assert isinstance(once.came_to, Completion)
    assert isinstance(twice.came_to, Completion)
    assert twice.came_to.sent_bytes == 2 * once.came_to.sent_bytes > 0


def test_retries_are_bounded_and_the_error_says_how_many_there_were() -> None:
    told = _ask(*[BUSY] * 10, retries=4)
    assert type(told.error) is Unavailable
    assert told.error.facts == {"status": 503, "sent": True, "attempts": 5}
    assert told.requests == 5


def test_without_retries_a_busy_server_is_asked_once() -> None:
    assert _ask(BUSY, retries=0).requests == 1


@pytest.mark.parametrize(("value", "least_s"), [("7", 7.0), ("2.5", 2.5), ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0), ("0", 0.0)])
def test_retry_after_is_waited_for_and_not_much_longer(value: str, least_s: float) -> None:
    told = _ask(Misbehaviour(status=429, headers={"Retry-After": value}))
    assert isinstance(told.came_to, Completion)
    assert least_s <= told.waited_s <= least_s + 0.5


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "9" * 5000, "inf", "Thu, 99 Jan 2026 00:00:30 GMT"])
def test_a_retry_after_that_makes_no_sense_is_as_good_as_none(value: str) -> None:
    told = _ask(Misbehaviour(status=429, headers={"Retry-After": value}))
    assert isinstance(told.came_to, Completion)
    assert 0.25 <= told.waited_s <= 0.5


def test_a_retry_after_in_the_past_means_now() -> None:
    assert _ask(Misbehaviour(status=503, headers={"Retry-After": "Wed, 31 Dec 2025 00:00:00 GMT"})).waited_s <= 0.5


def test_a_retry_after_longer_than_the_asker_waits_is_handed_to_the_asker() -> None:
    told = _ask(Misbehaviour(status=429, headers={"Retry-After": "3600"}), max_wait=timedelta(minutes=1))
    assert told.error.facts["retry_after_s"] == 3600.0
    assert (told.requests, told.waited_s) == (1, 0.0)


def test_the_last_error_says_when_to_come_back() -> None:
    told = _ask(*[Misbehaviour(status=500, headers={"Retry-After": "9"})])
    assert told.error.facts == {"status": 500, "sent": True, "retry_after_s": 9.0, "attempts": 1}


def test_two_askers_turned_away_in_the_same_moment_come_back_apart() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        async with ModelDouble() as double:
            double.misbehave(BUSY, BUSY)
            chat = ChatModel(double.url, "double", clock=VirtualClock())

            async def ask(text: str) -> float:
                await chat.complete([Message(role="user", content=text)])
                return loop.time()

            return list(await asyncio.gather(ask("one"), ask("two")))

    first, second = run(main())
    assert first != second
    assert [first, second] == run(main())


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


def test_a_name_nobody_knows_is_unavailable() -> None:
    async def main() -> None:
        await ChatModel("http://nowhere.invalid", "double", clock=VirtualClock(), retries=1).complete(HELLO)

    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        run(main(), patience=timedelta(minutes=1))
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


@pytest.mark.skipif(sys.platform != "linux", reason="what a plain server says to a TLS greeting is told in other words elsewhere")
def test_a_server_that_does_not_speak_tls_is_unavailable() -> None:
    async def main() -> None:
        async with ModelDouble() as double:
            await ChatModel(double.url.replace("http:", "https:"), "double", clock=VirtualClock(), retries=0).complete(HELLO)

    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        run(main())
    assert caught.value.facts["sent"] is False
    assert not isinstance(caught.value.__context__, ssl.SSLError)


# Answers that are late, torn, endless or wrong


@pytest.mark.parametrize("how", [Misbehaviour(delay=timedelta(hours=1)), Misbehaviour(ending="silent")])
def test_an_answer_that_does_not_come_in_time_is_unavailable_and_not_asked_for_again(how: Misbehaviour) -> None:
    told = _ask(how, timeout=timedelta(seconds=30))
    assert type(told.error) is Unavailable
    assert "within 30 s" in told.error.message
    assert told.error.facts == {"sent": True, "attempts": 1}
    assert (told.requests, told.waited_s) == (1, 30.0)


def test_a_slow_answer_within_the_time_is_an_answer() -> None:
    told = _ask(Misbehaviour(delay=timedelta(seconds=29)), timeout=timedelta(seconds=30))
    assert isinstance(told.came_to, Completion)
    assert told.waited_s == 29.0


def test_an_answer_that_breaks_off_is_unavailable_and_not_asked_for_again() -> None:
    told = _ask(Misbehaviour(ending="cut"))
    assert type(told.error) is Unavailable
    assert "broke off" in told.error.message
    assert told.error.facts == {"sent": True, "attempts": 1}
    assert told.requests == 1


@pytest.mark.parametrize("how", [Misbehaviour(ending="endless"), Misbehaviour(padding_bytes=100_000)])
def test_an_answer_longer_than_the_limit_is_a_failure(how: Misbehaviour) -> None:
    told = _ask(how, max_response_bytes=10_000)
    assert type(told.error) is Failed
    assert "max_response_bytes, 10000" in told.error.message


def test_an_answer_of_exactly_the_limit_is_read() -> None:
    told = _ask(Misbehaviour(body=b'{"choices": [{"message": {"content": "hi"}}]}'), max_response_bytes=45)
    assert isinstance(told.came_to, Completion)


def test_an_endless_complaint_is_still_told_by_its_status() -> None:
    told = _ask(Misbehaviour(status=400, body=b"too long", ending="endless"), max_response_bytes=10_000)
    assert type(told.error) is BadInput
    assert "too long" in told.error.message


def test_a_compressed_answer_is_not_unpacked() -> None:
    told = _ask(Misbehaviour(headers={"Content-Encoding": "gzip"}))
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
    told = _ask(Misbehaviour(body=body))
    assert type(told.error) is Failed
    assert told.requests == 1


def test_a_model_that_declines_is_a_failure_with_its_words_and_its_cost() -> None:
    told = _ask(
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
