"""An agent with a little of everything, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from bailiwick import Agent, Handle, action


class Sample(msgspec.Struct, frozen=True):
    name: str
    mass_kg: float


class Particular(Exception):
    def __init__(self, *, detail: str) -> None:
        super().__init__(f"particular: {detail}")


class Lab(Agent):
    count: int = 0
    notes: list[str] = []
    friend: Handle[Lab] | None = None
    _cache: Any = None

    @action
    async def weigh(self, sample: Sample, times: int = 1) -> float:
        return sample.mass_kg * times

    @action
    async def lie(self) -> int:
        return "not a number"  # type: ignore[return-value]

    @action
    async def note(self, text: str) -> list[str]:
        self.notes.append(text)
        return self.notes

    @action(exclusive=True)
    async def slow_increment(self) -> int:
        before = self.count
        await asyncio.sleep(1)
        self.count = before + 1
        return self.count

    @action
    async def sleep(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        self.notes.append("slept")
        return "slept"

    @action
    async def fail(self, how: str) -> None:
        if how == "key":
            raise KeyError("missing")
        if how == "timeout":
            raise TimeoutError("its own")
        raise Particular(detail=how)

    @action
    async def count_to(self, limit: int) -> AsyncIterator[int]:
        for number in range(limit):
            if number == 999:
                raise ValueError("far enough")
            yield number

    @action
    async def ask_friend(self, friend: Handle[Lab], text: str) -> list[str]:
        self.friend = friend
        return await friend.note(text)

    @action
    async def launch_child(self) -> Handle[Lab]:
        return await self.launch(Lab, name="child", count=7)

    @action
    async def read_count(self) -> int:
        return self.count

    @action
    async def block(self, value: int) -> int:
        return await self.run_blocking(lambda: value + 1)

    @action
    async def seal_from_a_task(self) -> None:
        await asyncio.gather(self.seal())

    async def not_an_action(self) -> None:
        """Nobody outside may call this."""
