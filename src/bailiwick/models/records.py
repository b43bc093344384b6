"""What is said to a chat model and what comes back, as it stands on the record."""

from __future__ import annotations

from typing import Literal

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


class Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model's answer, and what is known of how it came about."""

    text: str
    model: str
    """The model that answered, as the server reports it; empty where it does not say. May differ from the one asked."""
    asked_model: str
    finish_reason: str
    """``stop``: the model was done. ``length``: it was cut off at ``max_tokens``. Empty where the server does not say."""
    prompt_tokens: int | None = None
    """As the server counts; None where it does not say."""
    completion_tokens: int | None = None
    sent_bytes: int = 0
    """Bytes of request that reached the server, over all attempts."""
