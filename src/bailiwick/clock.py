"""Time as a port: the only module that asks the operating system what time it is."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from datetime import timedelta


class Clock(ABC):
    """What the rest of Bailiwick knows of time."""

    @abstractmethod
    def now_ns(self) -> int:
        """Nanoseconds since 1970 by the wall clock. May step back when the operating system corrects it."""

    @abstractmethod
    def monotonic_ns(self) -> int:
        """Nanoseconds since some fixed moment. Never steps back; only differences mean anything."""

    @abstractmethod
    async def sleep(self, duration: timedelta) -> None:
        """Return once ``duration`` has passed; at least one turn of the event loop later, even for zero."""


class SystemClock(Clock):
    """The machine's own clocks."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())
