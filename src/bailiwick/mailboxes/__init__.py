"""Messages between agents: envelopes, and the port that carries them."""

from bailiwick.mailboxes.port import Mailboxes, Receiver
from bailiwick.mailboxes.records import Answer, Ask, Cancel, Envelope, Item, Message, Ping

__all__ = ["Answer", "Ask", "Cancel", "Envelope", "Item", "Mailboxes", "Message", "Ping", "Receiver"]
