"""Inference: asking models, and accounting for what they said."""

from bailiwick.models.chat import ChatModel
from bailiwick.models.records import Completion, Message
from bailiwick.models.tool import chat_tool

__all__ = ["ChatModel", "Completion", "Message", "chat_tool"]
