"""Mailboxes inside one process: the specification of the port. An idle address costs one small object and no task."""

from __future__ import annotations

import asyncio
from collections import deque

from bailiwick.errors import BadInput, NoSuchAgent
from bailiwick.mailboxes.port import Mailboxes, Receiver
from bailiwick.mailboxes.records import Ask, Envelope, Item


class _Box:
    """One address. ``waiting`` is made with the first sender that has to wait."""

    __slots__ = ("capacity", "receive", "taken", "waiting")

    def __init__(self, receive: Receiver, capacity: int) -> None:
        self.receive = receive
        self.capacity = capacity
        self.taken = 0
        self.waiting: deque[asyncio.Future[None]] | None = None


class LocalMailboxes(Mailboxes):
    """Delivery is a function call. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._boxes: dict[str, _Box] = {}

    async def attach(self, address: str, receive: Receiver, *, capacity: int) -> None:
        if address in self._boxes:
            raise BadInput(f"address {address} is taken: an agent has one mailbox")
        self._boxes[address] = _Box(receive, capacity)

    async def detach(self, address: str) -> None:
        box = self._boxes.pop(address, None)
        for waiter in (box and box.waiting) or ():
            if not waiter.done():
                waiter.set_exception(_nobody(address))

    async def send(self, envelope: Envelope) -> None:
        box = self._boxes.get(envelope.to)
        if box is None:
            raise _nobody(envelope.to)
        if isinstance(envelope.message, (Ask, Item)):
            if box.taken >= box.capacity:
                await self._wait(box)
                if self._boxes.get(envelope.to) is not box:
                    raise _nobody(envelope.to)
            else:
                box.taken += 1
        box.receive(envelope)

    def release(self, address: str) -> None:
        box = self._boxes.get(address)
        if box is not None:
            self._free(box)

    async def close(self) -> None:
        for address in list(self._boxes):
            await self.detach(address)

    async def _wait(self, box: _Box) -> None:
        """Wait for a place. It is handed over by `_free`, so that nobody who comes later can take it in between."""
        waiting = box.waiting = box.waiting or deque()
        place = asyncio.get_running_loop().create_future()
        waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._free(box)  # Cancelled after the place was handed over: pass it on.
            raise

    def _free(self, box: _Box) -> None:
        while box.waiting:
            place = box.waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        box.taken -= 1


def _nobody(address: str) -> NoSuchAgent:
    return NoSuchAgent(f"nobody answers at {address}: the agent has stopped, or was never launched here", agent=address)
