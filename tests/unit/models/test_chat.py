"""Asking a model: what is sent, what comes back, and which model it was. The server is a double; the sockets are real."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from bailiwick.errors import BadInput, Failed
from bailiwick.models import ChatModel, Completion, Message
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble

HELLO = [Message(role="system", content="Answer briefly."), Message(role="user", content="Which acid is in vinegar?")]


def _with(double: ModelDouble, use: Callable[[ChatModel], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with double:
            return await use(ChatModel(double.url, clock=VirtualClock(), **options))

    return run(main())


def _complete(double: ModelDouble, model: str | None = "double", **options: Any) -> Completion:
    return _with(double, lambda chat: chat.complete(HELLO, **options), model=model)


def test_a_completion_carries_text_model_tokens_and_the_reason_it_ended() -> None:
    double = ModelDouble(lambda messages: f"{len(messages)} messages, acetic acid")
    completion = _complete(double)
    assert completion == Completion(
        text="2 messages, acetic acid",
        model="double",
        asked_model="double",
        finish_reason="stop",
        prompt_tokens=7,
        completion_tokens=4,
        sent_bytes=len(double.asked[0].body),
    )


def test_the_request_says_what_was_asked_and_nothing_else() -> None:
    double = ModelDouble()
    _complete(double, temperature=0.5, max_tokens=77, seed=3)
    [asked] = double.asked
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["content-type"] == "application/json"
    assert "authorization" not in asked.headers
    assert asked.json == {
        "model": "double",
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "Which acid is in vinegar?"},
        ],
        "temperature": 0.5,
        "max_tokens": 77,
        "seed": 3,
    }


def test_without_a_seed_none_is_sent() -> None:
    double = ModelDouble()
    _complete(double)
    assert set(double.asked[0].json) == {"model", "messages", "temperature", "max_tokens"}


def test_a_key_goes_into_the_authorization_header() -> None:
    double = ModelDouble(api_key="sk-secret")
    _with(double, lambda chat: chat.complete(HELLO), api_key="sk-secret\n")
    assert [asked.headers["authorization"] for asked in double.asked] == ["Bearer sk-secret"] * 2


def test_a_schema_is_sent_and_the_answer_comes_back_as_it_was_given() -> None:
    schema = {"type": "object", "properties": {"steps": {"type": "integer"}}, "required": ["steps"], "additionalProperties": False}
    double = ModelDouble(lambda _: '{"steps": 500}')
    assert json.loads(_complete(double, response_schema=schema).text) == {"steps": 500}
    assert double.asked[0].json["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "strict": True, "schema": schema},
    }


@pytest.mark.parametrize("text", ["Sure! Here you go: {}", '```json\n{"steps": 500}\n```', "", "[" * 100_000])
def test_an_answer_that_is_not_json_although_a_schema_was_asked_is_a_failure(text: str) -> None:
    with pytest.raises(Failed, match="may not know response_format"):
        _complete(ModelDouble(lambda _: text), response_schema={"type": "object"})


def test_json_that_was_cut_off_says_so_and_what_it_cost() -> None:
    with pytest.raises(Failed, match="cut off at max_tokens") as caught:
        _complete(ModelDouble(lambda _: '{"steps": 500}'), response_schema={"type": "object"}, max_tokens=1)
    assert caught.value.facts == {"prompt_tokens": 7, "completion_tokens": 1, "finish_reason": "length"}


def test_a_text_cut_off_at_max_tokens_is_marked() -> None:
    completion = _complete(ModelDouble(lambda _: "one two three"), max_tokens=2)
    assert (completion.text, completion.finish_reason, completion.completion_tokens) == ("one two", "length", 2)


@pytest.mark.parametrize("text", ["Säure, 酸, кислота 🧪", "a\u0000b\u2028c", "  spaces kept  ", ""])
def test_text_of_any_kind_goes_there_and_back_unchanged(text: str) -> None:
    double = ModelDouble()
    assert _with(double, lambda chat: chat.complete([Message(role="user", content=text)])).text == text


def test_text_that_no_encoding_holds_is_refused_before_anything_is_sent() -> None:
    double = ModelDouble()
    with pytest.raises(BadInput, match="cannot be written as JSON"):
        _with(double, lambda chat: chat.complete([Message(role="user", content="\ud800")]), model="double")
    assert double.asked == []


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"temperature": float("nan")}, {"temperature": float("inf")}])
def test_a_question_that_makes_no_sense_is_refused_before_anything_is_sent(wrong: dict[str, Any]) -> None:
    double = ModelDouble()
    with pytest.raises(BadInput):
        _complete(double, **wrong)
    assert double.asked == []


def test_a_question_without_messages_is_refused() -> None:
    with pytest.raises(BadInput):
        _with(ModelDouble(), lambda chat: chat.complete([]))


# Which model


def test_the_only_model_of_a_server_is_found_once_and_used() -> None:
    async def twice(chat: ChatModel) -> list[str]:
        return [(await chat.complete(HELLO)).asked_model for _ in range(2)]

    double = ModelDouble(models=("qwen-7b",))
    assert _with(double, twice) == ["qwen-7b", "qwen-7b"]
    assert [asked.path for asked in double.asked] == ["/v1/models", "/v1/chat/completions", "/v1/chat/completions"]


@pytest.mark.parametrize("models", [(), ("base", "tuned")])
def test_a_server_with_no_or_several_models_is_not_guessed_at(models: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="say which one") as caught:
        _complete(ModelDouble(models=models), model=None)
    assert caught.value.facts == {"models": list(models)}


def test_a_list_of_models_that_is_none_is_a_failure() -> None:
    double = ModelDouble()
    double.misbehave(Misbehaviour(body=b'{"models": []}'))
    with pytest.raises(Failed, match="missing required field `data`"):
        _complete(double, model=None)


def test_a_server_that_answers_with_another_model_is_not_believed_to_be_the_one_asked() -> None:
    double = ModelDouble()
    double.misbehave(Misbehaviour(body=b'{"model": "smaller", "choices": [{"message": {"content": "hi"}}]}'))
    completion = _complete(double)
    assert (completion.asked_model, completion.model) == ("double", "smaller")


def test_what_the_server_does_not_say_is_not_made_up() -> None:
    double = ModelDouble()
    double.misbehave(Misbehaviour(body=b'{"choices": [{"message": {"content": "hi"}}]}'))
    completion = _complete(double)
    assert (completion.model, completion.finish_reason) == ("", "")
    assert (completion.prompt_tokens, completion.completion_tokens) == (None, None)


# Where


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        (" https://inference.example/sophia/vllm/v1/ ", "https://inference.example/sophia/vllm/v1"),
        ("http://[::1]:8000/api", "http://[::1]:8000/api"),
    ],
)
def test_an_address_is_used_as_it_stands_and_gets_v1_only_without_a_path(given: str, used: str) -> None:
    assert ChatModel(given).url == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http://host:port/v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://host/v1/chat/completions",
        "http://host/v1?key=1",
        "http://host/v1#part",
        "http://\ud800.example",
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="url"):
        ChatModel(url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": timedelta(0)},
        {"connect_timeout": timedelta(0)},
        {"retries": -1},
        {"max_wait": timedelta(seconds=-1)},
        {"max_response_bytes": 0},
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        ChatModel("http://host", **wrong)


def test_a_proxy_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(BadInput, match="proxy") as caught:
        ChatModel("http://host", proxy="user:password@host")
    assert "password" not in str(caught.value)


def test_a_proxy_is_asked_instead_of_the_server() -> None:
    async def main() -> str:
        async with ModelDouble() as proxy:
            chat = ChatModel("http://model.example", "double", clock=VirtualClock(), retries=0, proxy=proxy.url.removesuffix("/v1"))
            with pytest.raises(BadInput):  # The double is no proxy; what counts is who was asked for what.
                await chat.complete(HELLO)
            return proxy.asked[0].path

    assert run(main()) == "http://model.example/v1/chat/completions"


def test_the_environment_is_not_asked_for_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert _complete(ModelDouble()).finish_reason == "stop"


# Many at once


def test_one_model_is_asked_by_many_tasks_and_each_gets_its_own_answer() -> None:
    async def many(chat: ChatModel) -> list[str]:
        questions = [chat.complete([Message(role="user", content=str(number))]) for number in range(50)]
        return [completion.text for completion in await asyncio.gather(*questions)]

    assert _with(ModelDouble(), many, model="double") == [str(number) for number in range(50)]


def test_one_model_is_used_in_one_event_loop_after_another() -> None:
    address: queue.Queue[str] = queue.Queue()
    done = threading.Event()

    async def serve() -> None:
        async with ModelDouble() as double:
            address.put(double.url)
            await asyncio.to_thread(done.wait)

    server = threading.Thread(target=asyncio.run, args=[serve()])
    server.start()
    try:
        chat = ChatModel(address.get(timeout=10), "double")
        assert [asyncio.run(chat.complete(HELLO)).finish_reason for _ in range(2)] == ["stop", "stop"]
    finally:
        done.set()
        server.join()
