"""Who of an agent's actions may run now: many at a time, or one alone."""

from __future__ import annotations

import asyncio
from collections import deque


class Turnstile:
    """First come, first served: an exclusive turn waits for those before it and holds up those behind it."""

    __slots__ = ("_alone", "_inside", "_queue")

    def __init__(self) -> None:
        self._inside = 0
        self._alone = False
        self._queue: deque[tuple[bool, asyncio.Future[None]]] = deque()

    async def enter(self, *, exclusive: bool) -> None:
        """Return when it is this caller's turn. Cancelled, it has no turn."""
        if not self._queue and self._fits(exclusive):
            self._admit(exclusive)
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((exclusive, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._call_next()  # It may have been the one that held up the rest.
            else:
                self.leave()  # Cancelled just after it was let in.
            raise

    def leave(self) -> None:
        """This caller's turn is over."""
        self._inside -= 1
        self._alone = False
        self._call_next()

    def _fits(self, exclusive: bool) -> bool:
        return self._inside == 0 if exclusive else not self._alone

    def _admit(self, exclusive: bool) -> None:
        self._inside += 1
        self._alone = exclusive

    def _call_next(self) -> None:
        while self._queue:
            exclusive, turn = self._queue[0]
            if not turn.cancelled():
                if not self._fits(exclusive):
                    return
                self._admit(exclusive)
                turn.set_result(None)
            self._queue.popleft()
