"""Mail between agents as the rest of Bailiwick knows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from bailiwick.mailboxes.records import Envelope

Receiver = Callable[[Envelope], None]
"""Takes one envelope; returns at once and never raises."""


class Mailboxes(ABC):
    """Addresses that receive envelopes.

    What every backend guarantees (`bailiwick.testing.MailboxesSuite` has a test for each):

    1. *Order.* Envelopes of one sender to one address arrive in the order in which they were sent.
    2. *Once.* An accepted envelope is handed to the receiver once, unless the address is detached first.
    3. *Bounded.* Of `Ask` and `Item` at most ``capacity`` are with a receiver at a time; `send` of one more waits, in order,
       until the receiver calls `release`. `Answer` and `Cancel` never wait, or two full agents could not answer each other.
    4. *Nobody there.* Sending to an address that is not attached, or is detached while the sender waits, raises `NoSuchAgent`.
    5. *Nothing shared.* What arrives cannot be changed by the sender afterwards.
    """

    @abstractmethod
    async def attach(self, address: str, receive: Receiver, *, capacity: int) -> None:
        """Deliver what is sent to ``address`` to ``receive`` from now on. Raises `BadInput` if the address is taken."""

    @abstractmethod
    async def detach(self, address: str) -> None:
        """Deliver nothing more to ``address``; senders that wait get `NoSuchAgent`. Nothing happens if it is not attached."""

    @abstractmethod
    async def send(self, envelope: Envelope) -> None:
        """Return once the envelope is accepted. Waits while the receiver is full. Cancelled, it was not sent.

        Raises `NoSuchAgent`.
        """

    @abstractmethod
    def release(self, address: str) -> None:
        """The receiver at ``address`` is done with one `Ask` or `Item`. Nothing happens if it is not attached."""

    @abstractmethod
    async def close(self) -> None:
        """Detach every address. A second call does nothing."""
