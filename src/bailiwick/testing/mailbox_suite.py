"""`MailboxesSuite`: what every mailbox backend must do, a test for each guarantee of the port."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

import pytest

from bailiwick.effects import EffectClass, Intent, Kind
from bailiwick.errors import BadInput, NoSuchAgent
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.mailboxes import Ask, Cancel, Envelope, Mailboxes, Message
from bailiwick.testing.virtual_clock import run

ROUNDS = 20


def ask(number: int) -> Ask:
    """A question that can be told from others."""
    intent = Intent(
        id=EffectId(f"eff_{number:032x}"),
        run=RunId("run_" + "0" * 32),
        agent=AgentId("agt_" + "0" * 32),
        position=str(number),
        kind=Kind.ASK,
        tool="Echo.say",
        effect=EffectClass.IDEMPOTENT,
    )
    return Ask(intent=intent, reply_to="sender")


def envelope(message: Message, *, to: str = "receiver") -> Envelope:
    """``message`` on its way."""
    return Envelope(to=to, sender="sender", message=message)


class MailboxesSuite(ABC):
    """Subclass it in a test module and say how to make the mailboxes; pytest does the rest."""

    @abstractmethod
    def make(self) -> Mailboxes:
        """Fresh mailboxes. Called inside a running event loop."""

    def test_envelopes_arrive_in_the_order_in_which_they_were_sent(self) -> None:
        async def scenario() -> None:
            boxes, arrived = self.make(), list[Envelope]()
            await boxes.attach("receiver", arrived.append, capacity=ROUNDS)
            sent = [envelope(ask(number)) for number in range(ROUNDS)]
            for one in sent:
                await boxes.send(one)
            await boxes.close()
            assert arrived == sent

        run(scenario())

    def test_senders_that_wait_for_a_full_receiver_are_served_in_order(self) -> None:
        async def scenario() -> None:
            boxes, arrived = self.make(), list[Envelope]()
            await boxes.attach("receiver", arrived.append, capacity=1)
            sent = [envelope(ask(number)) for number in range(ROUNDS)]
            waiting = [asyncio.ensure_future(boxes.send(one)) for one in sent]
            for count in range(1, ROUNDS + 1):
                for _ in range(3):
                    await asyncio.sleep(0)
                assert arrived == sent[:count]
                boxes.release("receiver")
            await asyncio.gather(*waiting)
            await boxes.close()

        run(scenario())

    def test_a_place_given_to_a_cancelled_sender_goes_to_the_next(self) -> None:
        async def scenario() -> None:
            boxes, arrived = self.make(), list[Envelope]()
            await boxes.attach("receiver", arrived.append, capacity=1)
            await boxes.send(envelope(ask(0)))
            first, second = (asyncio.ensure_future(boxes.send(envelope(ask(number)))) for number in (1, 2))
            await asyncio.sleep(0)
            boxes.release("receiver")
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await second
            assert [one.message for one in arrived] == [ask(0), ask(2)]
            await boxes.close()

        run(scenario())

    def test_cancellations_pass_a_full_receiver(self) -> None:
        async def scenario() -> None:
            boxes, arrived = self.make(), list[Envelope]()
            await boxes.attach("receiver", arrived.append, capacity=1)
            await boxes.send(envelope(ask(0)))
            await boxes.send(envelope(Cancel(id=EffectId("eff_" + "0" * 32))))
            assert len(arrived) == 2
            await boxes.close()

        run(scenario())

    def test_sending_to_nobody_is_refused(self) -> None:
        async def scenario() -> None:
            boxes = self.make()
            with pytest.raises(NoSuchAgent):
                await boxes.send(envelope(ask(0)))
            await boxes.close()

        run(scenario())

    def test_a_sender_that_waits_learns_that_the_receiver_has_gone(self) -> None:
        async def scenario() -> None:
            boxes = self.make()
            await boxes.attach("receiver", lambda one: None, capacity=1)
            await boxes.send(envelope(ask(0)))
            waiting = asyncio.ensure_future(boxes.send(envelope(ask(1))))
            await asyncio.sleep(0)
            await boxes.detach("receiver")
            await boxes.detach("receiver")
            with pytest.raises(NoSuchAgent):
                await waiting
            await boxes.close()

        run(scenario())

    def test_an_address_is_taken_once(self) -> None:
        async def scenario() -> None:
            boxes = self.make()
            await boxes.attach("receiver", lambda one: None, capacity=1)
            with pytest.raises(BadInput):
                await boxes.attach("receiver", lambda one: None, capacity=1)
            await boxes.close()
            await boxes.close()

        run(scenario())
