"""A chat model as a tool: asked through the gateway, recorded, paid for by the token."""

from __future__ import annotations

from typing import Any, cast

from bailiwick.effects import Cost, EffectClass, Obtained, Tool, tool
from bailiwick.models.chat import DEFAULT_MAX_TOKENS, ChatModel
from bailiwick.models.records import Completion, Message

_ONE_ANSWER = Cost(tokens=DEFAULT_MAX_TOKENS)


def chat_tool(model: ChatModel, *, name: str = "chat", estimate: Cost = _ONE_ANSWER) -> Tool:
    """A tool that asks ``model``; what it does and raises is `ChatModel.complete`.

    Its class is ``read``: an answer changes nothing in the world, and tomorrow's may differ. On record it is the answer that was
    given, so a replay hears the same words and pays nothing. ``estimate`` is held in the purse before each call and settled with
    the tokens the server counted. Where it counts none, the most it can have been is charged: ``max_tokens`` and a token for each
    byte that was sent.
    """

    @tool(effect=EffectClass.READ, name=name, where="loop", estimate=estimate)
    async def chat(
        messages: list[Message],
        temperature: float = 0.0,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        seed: int | None = None,
        schema: dict[str, Any] | None = None,
    ) -> Completion:
        """What a language model says next, after ``messages``."""
        completion = await model.complete(messages, temperature=temperature, max_tokens=max_tokens, seed=seed, response_schema=schema)
        cost = Cost(tokens=_tokens(completion, max_tokens), sent_bytes=completion.sent_bytes)
        # The hint is that of the value, and whoever runs the tool takes the wrapper off.
        return cast(Completion, Obtained(completion, cost=cost))

    return chat


def _tokens(completion: Completion, max_tokens: int) -> int:
    read = completion.sent_bytes if completion.prompt_tokens is None else completion.prompt_tokens
    written = max_tokens if completion.completion_tokens is None else completion.completion_tokens
    return read + written
