"""A chat model behind an OpenAI-compatible server: vLLM, llama.cpp, a facility's inference service, a vendor."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from bailiwick.clock import Clock, SystemClock
from bailiwick.errors import BadInput, BailiwickError, Failed, Unavailable
from bailiwick.models.http import Answer, Key, Remote
from bailiwick.models.records import Completion, Message
from bailiwick.models.status import BUSY, UNREADABLE, error_of

T = TypeVar("T")

DEFAULT_MAX_TOKENS = 1024

_FIRST_WAIT_S = 0.5
"""The first back-off; each further one is twice as long."""

_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**48)]
"""A number of tokens. A negative one would refill a purse."""


class _Reply(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Reply
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None


class _Answered(msgspec.Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: _Usage | None = None


class _Named(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Named]


class ChatModel:
    """One model on one server.

    ``url`` is the base address as servers print it, such as ``http://localhost:8000/v1``: ``/chat/completions`` is added to it.
    An address without a path gets ``/v1``. ``model`` absent: the server is asked once, and its only model is used.

    ``timeout`` bounds one attempt from connecting to the last byte, ``connect_timeout`` the connecting alone. Only what the
    server certainly did not work on is tried again: a connection that could not be made, 429 and 503; at most ``retries`` times,
    after a back-off that doubles, or after what ``Retry-After`` says if that is no longer than ``max_wait``. A completion changes
    nothing in the world but may cost money, so an answer that is lost or late after the question was sent is not asked again
    here; whoever asks decides.

    The key goes to ``url`` and nowhere else, and is never shown. Nothing is kept open between calls; one object may be used by
    many tasks and in one event loop after another.

    Raises `BadInput` at once for an address, a key or a limit that cannot be meant, and where httpx is not installed.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        api_key: str | None = None,
        *,
        clock: Clock | None = None,
        timeout: timedelta = timedelta(minutes=2),
        connect_timeout: timedelta = timedelta(seconds=5),
        retries: int = 3,
        max_wait: timedelta = timedelta(minutes=1),
        max_response_bytes: int = 4 * 2**20,
        proxy: str | None = None,
    ) -> None:
        if min(timeout, connect_timeout) <= timedelta(0) or max_wait < timedelta(0) or retries < 0 or max_response_bytes < 1:
            raise BadInput("timeouts and max_response_bytes of a ChatModel must be above zero, retries and max_wait not below")
        self.url = _base_of(url)
        self.model = model
        self._key = None if api_key is None else Key(api_key)
        self._clock = clock or SystemClock()
        self._retries = retries
        self._max_wait_s = max_wait.total_seconds()
        self._remote = Remote(
            self.url,
            key=self._key,
            timeout=timeout,
            connect_timeout=connect_timeout,
            max_response_bytes=max_response_bytes,
            proxy=proxy,
        )

    def __repr__(self) -> str:
        return f"<ChatModel {self.model or 'not named'} at {self.url}, {'without a' if self._key is None else 'with an API'} key>"

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        temperature: float = 0.0,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        seed: int | None = None,
        response_schema: dict[str, Any] | None = None,
    ) -> Completion:
        """What the model says next.

        With ``response_schema`` (JSON schema) the server is told to keep to it, and a text that is not JSON is `Failed`; whether
        it has the promised fields is for the caller to check. Nothing is repaired, cut out of prose or filled in.

        Raises `BadInput` (the server does not understand: unknown model, prompt too long), `Refused` (it will not: key),
        `Unavailable` (unreachable, late, overloaded, broken off; facts ``sent``, ``attempts``, and ``status`` and
        ``retry_after_s`` where the server gave them) and `Failed` (it answered, and the answer is no completion). Cancelling
        closes the connection; the server may have worked, and charge, all the same.
        """
        if not messages or max_tokens < 1 or not math.isfinite(temperature):
            raise BadInput("a completion needs at least one message, max_tokens above zero and a finite temperature")
        asked = self.model or await self._only_model()
        question: dict[str, Any] = {"model": asked, "messages": list(messages), "temperature": temperature, "max_tokens": max_tokens}
        if seed is not None:
            question["seed"] = seed
        if response_schema is not None:
            question["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": response_schema},
            }
        answer, sent_bytes = await self._ask("POST", "/chat/completions", _encode(question))
        return self._completion(answer, asked, sent_bytes, must_be_json=response_schema is not None)

    async def _only_model(self) -> str:
        answer, _ = await self._ask("GET", "/models")
        names = [model.id for model in self._parse(answer, _Models).data]
        if len(names) != 1:
            shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "") or "none"
            raise BadInput(f"the model server at {self.url} has {len(names)} models ({shown}); say which one to ask", models=names)
        self.model = names[0]
        return names[0]

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[Answer, int]:
        """The answer to one request, tried as often as it may be, and the bytes that reached the server."""
        sent_bytes = 0
        attempts = 0
        while True:
            attempts += 1
            try:
                answer = await self._remote.ask(method, path, body)
            except Unavailable as broken:
                error: BailiwickError | None = broken
            else:
                sent_bytes += len(body or b"")
                error = error_of(answer, self.url, self._clock.now_ns(), self._remote.scrub)
                if error is None:
                    return answer, sent_bytes
            wait_s = self._wait_before_next_s(error, attempts, body or b"")
            if wait_s is None:
                error.facts["attempts"] = attempts
                raise error
            await self._clock.sleep(timedelta(seconds=wait_s))

    def _wait_before_next_s(self, error: BailiwickError, attempts: int, body: bytes) -> float | None:
        """Seconds until the next attempt; None: there is to be none."""
        may_repeat = error.facts.get("sent") is False or error.facts.get("status") in BUSY
        if not may_repeat or attempts > self._retries:
            return None
        back_off_s = min(_FIRST_WAIT_S * 2 ** (attempts - 1), self._max_wait_s)
        # The moment and the question are the seed: askers that were turned away together come back apart, and a test with a
        # clock of its own sees the same waits in each run.
        chance = random.Random(self._clock.monotonic_ns().to_bytes(8, "big") + body).random()
        asked_s: float | None = error.facts.get("retry_after_s")
        if asked_s is None:
            return back_off_s * (1 + chance) / 2
        return asked_s + back_off_s * chance if asked_s <= self._max_wait_s else None

    def _completion(self, answer: Answer, asked: str, sent_bytes: int, *, must_be_json: bool) -> Completion:
        answered = self._parse(answer, _Answered)
        if not answered.choices:
            raise Failed(f"the model server at {self.url} sent no choices")
        choice = answered.choices[0]
        usage = answered.usage or _Usage()
        text = choice.message.content
        reason = choice.finish_reason or ""
        cost = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens, "finish_reason": reason}
        if text is None:
            said = self._remote.scrub(choice.message.refusal or "no words")
            raise Failed(f"{asked} at {self.url} gave no text (finish reason {reason!r}): {said:.300}", **cost)
        if must_be_json:
            try:
                msgspec.json.decode(text)
            except UNREADABLE:
                hint = "it was cut off at max_tokens" if reason == "length" else "the server may not know response_format"
                raise Failed(f"{asked} at {self.url} was asked for JSON and gave something else; {hint}", **cost) from None
        return Completion(
            text=text,
            model=answered.model or "",
            asked_model=asked,
            finish_reason=reason,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            sent_bytes=sent_bytes,
        )

    def _parse(self, answer: Answer, kind: type[T]) -> T:
        if not answer.whole:
            raise Failed(f"the answer of the model server at {self.url} is longer than max_response_bytes, {len(answer.body)}")
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except UNREADABLE as error:
            raise Failed(
                self._remote.scrub(f"the model server at {self.url} answered with something else than promised: {error}")
            ) from None


def _base_of(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"the model server's url cannot be read: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise BadInput("the model server's url holds a name or a password, which logs would show; give the key as api_key")
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or path.endswith("/completions"):
        raise BadInput(f"the model server's url {url!r} should look like http://localhost:8000/v1 or https://host/path/v1")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def _encode(question: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(question)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadInput(f"the question cannot be written as JSON: {error}") from None
