"""What agents send each other. Bodies are bytes already, so what arrives is never the sender's own object."""

from __future__ import annotations

import msgspec

from bailiwick.effects import Failure, Intent, Outcome
from bailiwick.ids import EffectId


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ask", gc=False):
    """Call an action. ``intent`` names caller, agent, action and arguments; its id pairs the answer with the question."""

    intent: Intent
    reply_to: str
    """The address that gets the `Answer`; empty for a one-way message, which gets none."""
    items_to: str = ""
    """The address that gets each `Item` of an action that streams."""
    deadline_ns: int = 0
    """Wall-clock time after which nobody waits any more; 0 for none."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="answer", gc=False):
    """What came of an ask: its outcome, or the failure that left it without one."""

    id: str
    outcome: Outcome | None = None
    failure: Failure | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="item", gc=False):
    """One value of a stream, in order."""

    id: EffectId
    value: bytes


class Cancel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cancel", gc=False):
    """Nobody waits for this ask any more: stop working on it."""

    id: EffectId


class Ping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ping", gc=False):
    """Are you there? The agent's host answers with an empty `Answer`, without asking the agent."""

    id: str
    reply_to: str


Message = Ask | Answer | Item | Cancel | Ping


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message on its way. ``version`` is that of this format; a receiver refuses one it does not know."""

    to: str
    sender: str
    message: Message
    version: int = 1
