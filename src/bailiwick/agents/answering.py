"""The answering side: a message arrives at an agent, passes the gateway, and becomes a run."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from bailiwick import codec
from bailiwick.agents.invocation import Emit, Invocation
from bailiwick.agents.resident import Resident
from bailiwick.effects import describe
from bailiwick.errors import ActionFailed, NoSuchAgent, Stopping
from bailiwick.mailboxes import Answer, Ask, Cancel, Envelope, Item, Ping

_log = logging.getLogger(__name__)


def receive(resident: Resident, envelope: Envelope) -> None:
    """Take one envelope addressed to ``resident``."""
    message = envelope.message
    if isinstance(message, Ask):
        if resident.is_answering(message.intent.id):  # Delivered twice, answered once.
            resident.host.mailboxes.release(resident.id)
        else:
            resident.answer(message.intent.id, _answer(resident, message))
    elif isinstance(message, Cancel):
        resident.cancel(message.id)
    elif isinstance(message, Ping):
        resident.host.start_task(_reply(resident, message.reply_to, Answer(id=message.id)))


async def _answer(resident: Resident, ask: Ask) -> None:
    host, answer, act = resident.host, None, None
    try:
        act = invocation(resident, ask)
        if host.interruptions.of(ask.intent.run) and host.gateway.find(ask.intent.id) is None:
            raise Stopping("this host was told to stop; what is asked now stays undone")
        answer = Answer(id=ask.intent.id, outcome=await host.gateway.perform(ask.intent, act))
    except Exception as error:  # It left no outcome: whoever asked learns why.
        answer = Answer(id=ask.intent.id, failure=describe(error))
    except asyncio.CancelledError:
        if resident.id in host.residents and not host.interruptions.of(ask.intent.run):
            host.gateway.withdraw(ask.intent, codec.encode(act.sent) if act is not None and act.streams else b"", act and act.seal())
            error = ActionFailed(f"{ask.intent.tool} was cancelled before it ended; what it had done is on record", type="CancelledError")
        else:
            error = host.absent(resident.id)
        answer = Answer(id=ask.intent.id, failure=describe(error))
    finally:
        host.mailboxes.release(resident.id)
        resident.answered(ask.intent.id)
    if ask.reply_to:
        await _reply(resident, ask.reply_to, answer)
    elif answer.failure is not None:
        _log.error("one-way %s: %s", ask.intent.tool, answer.failure.message, extra={"event": "oneway_failed", "effect": ask.intent.id})


def invocation(resident: Resident, ask: Ask) -> Invocation:
    """The act that answers ``ask``. Raises `NoSuchAction`, or `BadInput` for arguments that do not fit; nothing is on record then."""
    action = resident.blueprint.action(ask.intent.tool.rpartition(".")[2])
    arguments = action.signature.unpack(ask.intent.arguments)
    remaining = timedelta(microseconds=(ask.deadline_ns - resident.host.clock.now_ns()) / 1000) if ask.deadline_ns else None
    return Invocation(resident, action, arguments, remaining, _sender_of_items(resident, ask) if ask.items_to else None)


def _sender_of_items(resident: Resident, ask: Ask) -> Emit:
    async def emit(item: bytes) -> None:
        envelope = Envelope(to=ask.items_to, sender=resident.id, message=Item(id=ask.intent.id, value=item))
        try:
            await resident.host.mailboxes.send(envelope)
        except NoSuchAgent:
            # Whoever followed the stream has left: that is a cancellation, not a failure to be recorded.
            raise asyncio.CancelledError from None

    return emit


async def _reply(resident: Resident, address: str, answer: Answer) -> None:
    try:
        await resident.host.mailboxes.send(Envelope(to=address, sender=resident.id, message=answer))
    except NoSuchAgent:
        _log.debug("nobody waits for the answer to %s", answer.id, extra={"event": "answer_unheard", "agent": resident.id})
