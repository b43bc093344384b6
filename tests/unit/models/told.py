"""One question, what it came to, and what it took."""

from __future__ import annotations

import asyncio
from typing import Any

from bailiwick.errors import BailiwickError
from bailiwick.models import ChatModel, Completion, Message
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.model_server import Misbehaviour, ModelDouble

HELLO = [Message(role="user", content="hello")]


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


def ask(*ordered: Misbehaviour, **options: Any) -> Told:
    """One question to a double whose next answers go wrong as ordered, on a virtual clock."""

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
