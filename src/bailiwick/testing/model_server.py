"""A double of an OpenAI-compatible model server: it speaks the real interface over real sockets, and no model is behind it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Literal, Self

Messages = list[dict[str, Any]]

_MAX_REQUEST_BYTES = 16 * 2**20
_PIECE = b" " * 65_536
"""What an endless answer is made of; JSON allows spaces anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """How one answer goes wrong; without arguments it goes right. Everything can be combined."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    """Sent instead of the answer; None: the answer, or for an error status an error in the interface's form."""
    delay: timedelta = timedelta(0)
    """Before the first byte; on a virtual clock it takes no time."""
    padding_bytes: int = 0
    """Spaces before the body."""
    ending: Literal["whole", "cut", "silent", "endless"] = "whole"
    """``cut``: the connection closes after half the body. ``silent``: after half the body nothing more comes, and the connection
    stays open. ``endless``: spaces follow for as long as somebody reads them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it arrived; names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body. Raises `ValueError` if it is not JSON."""
        return json.loads(self.body)


class ModelDouble:
    """``async with ModelDouble(lambda messages: …) as server: ChatModel(server.url)``.

    Serves ``GET /v1/models`` and ``POST /v1/chat/completions``, whole or as a stream of events, on 127.0.0.1 and a free port.
    ``answer`` gets the messages and returns the text; what it raises becomes status 500. Tokens are words. A request that the
    interface does not allow is refused as a server would refuse it: 401 (another key than ``api_key``, where one is set), 404 (no
    such path or model), 400 (no messages). Each request takes the next `Misbehaviour` that was ordered; when none is left, the
    server behaves. One request for each connection. On leaving, every connection is closed.
    """

    def __init__(
        self,
        answer: Callable[[Messages], str] = lambda messages: str(messages[-1]["content"]),
        *,
        models: tuple[str, ...] = ("double",),
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.asked: list[Asked] = []
        """Every request so far, refused or not."""
        self._answer = answer
        self._models = models
        self._api_key = api_key
        self._ordered: deque[Misbehaviour] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = port

    @property
    def url(self) -> str:
        """The base address, with ``/v1``. It stays the same after the server has gone, and then refuses connections."""
        return f"http://127.0.0.1:{self._port}/v1"

    def misbehave(self, *ordered: Misbehaviour) -> None:
        """The next answers go wrong like this, one each, in this order."""
        self._ordered.extend(ordered)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await _read(reader)
            self.asked.append(asked)
            await self._reply(asked, writer, self._ordered.popleft() if self._ordered else Misbehaviour())
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # The client went away, or never spoke HTTP; either way nobody is left to be told.
        finally:
            writer.close()

    async def _reply(self, asked: Asked, writer: asyncio.StreamWriter, how: Misbehaviour) -> None:
        status, kind, body = self._respond(asked) if how.status == HTTPStatus.OK else (how.status, _JSON, _error(how.status, "ordered"))
        body = b" " * how.padding_bytes + (body if how.body is None else how.body)
        length = {} if how.ending == "endless" else {"Content-Length": str(len(body))}
        headers = {"Content-Type": kind, "Connection": "close", **length, **how.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await asyncio.sleep(how.delay.total_seconds())
        writer.write(f"HTTP/1.1 {status} {_phrase(status)}\r\n{lines}\r\n".encode("latin-1"))
        writer.write(body if how.ending in ("whole", "endless") else body[: len(body) // 2])
        await writer.drain()
        while how.ending == "silent":
            await asyncio.Event().wait()
        while how.ending == "endless":
            writer.write(_PIECE)
            await writer.drain()

    def _respond(self, asked: Asked) -> tuple[int, str, bytes]:
        if self._api_key is not None and asked.headers.get("authorization") != f"Bearer {self._api_key}":
            return 401, _JSON, _error(401, "Incorrect API key provided")
        match asked.method, asked.path:
            case "GET", "/v1/models":
                models = [{"id": name, "object": "model", "created": 0, "owned_by": "nobody"} for name in self._models]
                return 200, _JSON, _json({"object": "list", "data": models})
            case "POST", "/v1/chat/completions":
                return self._complete(asked)
            case _:
                return 404, _JSON, _error(404, f"no such path: {asked.method} {asked.path}")

    def _complete(self, asked: Asked) -> tuple[int, str, bytes]:
        try:
            question: dict[str, Any] = asked.json
            messages: Messages = question["messages"]
            said = [str(message["content"]) for message in messages]
        except (ValueError, TypeError, KeyError):
            return 400, _JSON, _error(400, "a list of messages is required, each with a role and a content")
        model: str = question.get("model", "")
        if model not in self._models:
            return 404, _JSON, _error(404, f"The model `{model}` does not exist.")
        try:
            words = self._answer(messages).split(" ")
        except Exception as error:
            return 500, _JSON, _error(500, repr(error))
        limit: int = question.get("max_tokens", len(words))
        text, reason = " ".join(words[:limit]), "stop" if len(words) <= limit else "length"
        read, written = sum(len(one.split()) for one in said), min(limit, len(words))
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        head = {"id": f"chatcmpl-{len(self.asked)}", "created": 0, "model": model}
        if question.get("stream"):
            return 200, "text/event-stream", _events(head, text, reason, usage)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
        return 200, _JSON, _json({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


_JSON = "application/json"


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _MAX_REQUEST_BYTES:
        raise ValueError(f"a request of {length} bytes")
    return Asked(method, path, headers, await reader.readexactly(length))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def _error(status: int, message: str) -> bytes:
    return _json({"error": {"message": message, "type": _phrase(status), "code": status}})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Something Else"


def _events(head: dict[str, Any], text: str, reason: str, usage: dict[str, int]) -> bytes:
    """Server-sent events: a chunk for each word, one that ends, one with the usage, and the mark of the end."""
    words = text.split(" ")
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"content": word if number == 0 else f" {word}"}, None) for number, word in enumerate(words)
    ]
    deltas.append(({}, reason))
    chunk = {**head, "object": "chat.completion.chunk"}
    events = [_json({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}) for delta, end in deltas]
    events += [_json({**chunk, "choices": [], "usage": usage}), b"[DONE]"]
    return b"".join(b"data: " + event + b"\n\n" for event in events)
