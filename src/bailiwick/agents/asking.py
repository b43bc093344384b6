"""The asking side: how code on a host makes intents, sends messages and waits for what comes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bailiwick.agents.agent import Receipt
from bailiwick.agents.blueprint import Action
from bailiwick.agents.handle import here
from bailiwick.agents.run import INSIDE_A_TOOL, Run, current
from bailiwick.effects import Actuator, EffectClass, Intent, Kind, Outcome, Status, Tool, rebuild
from bailiwick.errors import ActionFailed, BailiwickError, DeadlineExceeded, NoSuchAgent, ReplayDiverged, ToolFailed
from bailiwick.gateway import same_question
from bailiwick.ids import AgentId, effect_id
from bailiwick.mailboxes import Answer, Ask, Cancel, Envelope, Item, Message, Ping

if TYPE_CHECKING:
    from bailiwick.agents.host import Host

STREAM_CAPACITY = 64
"""How many items of a stream may be on their way before the agent that yields them has to wait."""

_log = logging.getLogger(__name__)


class Asking:
    """Every question that leaves the runs of one host, and every answer that comes back."""

    def __init__(self, host: Host, actuator_of: Callable[[Tool], Actuator]) -> None:
        self._host = host
        self._actuator_of = actuator_of
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    def use(self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        """See `Agent.use`. The position is taken now, the rest happens when the result is awaited."""
        intent, run = self.intent(Kind.TOOL, tool.name, tool.effect, tool.signature.pack(args, kwargs))
        return self._use(tool, intent, run)

    def perform(self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Receipt]:
        """See `Agent.perform`."""
        intent, run = self.intent(Kind.TOOL, tool.name, tool.effect, tool.signature.pack(args, kwargs))
        return self._perform(tool, intent, run)

    def ask(self, target: AgentId, action: Action, deadline: timedelta | None, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Call an action and wait for its result; see `Handle`."""
        intent, run = self._ask_intent(target, action, args, kwargs)
        return self._ask(intent, run, action, deadline)

    def tell(self, target: AgentId, action: Action, deadline: timedelta | None, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Call an action and return once its agent has the message; see `Handle.oneway`."""
        intent, run = self._ask_intent(target, action, args, kwargs)
        return self._tell(intent, run, deadline)

    def stream(self, target: AgentId, action: Action, deadline: timedelta | None, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Call an action that streams and follow its results; see `Handle`."""
        intent, run = self._ask_intent(target, action, args, kwargs)
        return self._stream(intent, run, action, deadline)

    async def ping(self, target: AgentId) -> timedelta:
        """See `Handle.ping`."""
        asked_ns = self._host.clock.monotonic_ns()
        await self._answer_to(target, Ping(id=f"ping-{asked_ns}-{len(self._waiting)}", reply_to=self._host.id))
        return timedelta(microseconds=(self._host.clock.monotonic_ns() - asked_ns) / 1000)

    def receive(self, envelope: Envelope) -> None:
        """Take an answer that arrived at the host's address. One that nobody waits for any more is dropped."""
        if isinstance(envelope.message, Answer):
            waiter = self._waiting.get(envelope.message.id)
            if waiter is not None and not waiter.done():
                waiter.set_result(envelope.message)

    def intent(self, kind: Kind, tool: str, effect: EffectClass, arguments: bytes, target: AgentId | None = None) -> tuple[Intent, Run]:
        """The intent at the next position of the code that is running, and its run."""
        cursor = current.get() or self._host.root
        position = cursor.next_position()
        run = cursor.run
        intent = Intent(
            id=effect_id(run.id, position),
            run=run.id,
            agent=run.agent,
            position=position,
            kind=kind,
            tool=tool,
            effect=effect,
            arguments=arguments,
            target=target,
            at_ns=self._host.clock.now_ns(),
        )
        return intent, run

    async def act(self, intent: Intent, run: Run, actuator: Actuator) -> Outcome:
        """Perform through the gateway, or read from the record, and return what came of it."""
        if run.rebuilding:
            return self._recorded(intent)
        outside = current.set(INSIDE_A_TOOL)  # What an actuator does inside is its own affair, not an effect of this run.
        try:
            return await self._host.gateway.perform(intent, actuator)
        finally:
            current.reset(outside)

    async def _use(self, tool: Tool, intent: Intent, run: Run) -> Any:
        outcome = await self._act_with(tool, intent, run)
        return tool.signature.unpack_result(done(outcome, ToolFailed).value)

    async def _perform(self, tool: Tool, intent: Intent, run: Run) -> Receipt:
        found = await self._act_with(tool, intent, run)
        value = tool.signature.unpack_result(found.value) if found.status is Status.DONE else None
        return Receipt(value, found.status, found.failure, found.id, found.fidelity, found.cost, found.started_ns, found.ended_ns)

    def _act_with(self, tool: Tool, intent: Intent, run: Run) -> Coroutine[Any, Any, Outcome]:
        tool.signature.unpack(intent.arguments)  # Refuse what does not fit before it is on record.
        return self.act(intent, run, self._actuator_of(tool))

    def _ask_intent(self, target: AgentId, action: Action, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Intent, Run]:
        here.set(self._host)  # Where handles in the answer belong, also in a task that began before this host did.
        return self.intent(Kind.ASK, action.qualified, EffectClass.IDEMPOTENT, action.signature.pack(args, kwargs), target)

    async def _ask(self, intent: Intent, run: Run, action: Action, deadline: timedelta | None) -> Any:
        if run.rebuilding:
            outcome = self._recorded(intent)
        else:
            question = Ask(intent=intent, reply_to=self._host.id, deadline_ns=self._moment(deadline))
            outcome = self._outcome(await self._answer_to(intent.target or "", question, deadline))
        return action.signature.unpack_result(done(outcome, ActionFailed).value)

    async def _tell(self, intent: Intent, run: Run, deadline: timedelta | None) -> None:
        if not run.rebuilding:
            await self._send(intent.target or "", Ask(intent=intent, reply_to="", deadline_ns=self._moment(deadline)))

    async def _stream(self, intent: Intent, run: Run, action: Action, deadline: timedelta | None) -> AsyncIterator[Any]:
        decode = action.signature.unpack_result
        if run.rebuilding:
            for item in action.signature.unpack_items(done(self._recorded(intent), ActionFailed).value):
                yield item
            return
        inbox: asyncio.Queue[Message] = asyncio.Queue()
        address, target = str(intent.id), intent.target or ""
        await self._host.mailboxes.attach(address, lambda envelope: inbox.put_nowait(envelope.message), capacity=STREAM_CAPACITY)
        followed = 0
        answered = False
        try:
            await self._send(target, Ask(intent=intent, reply_to=address, items_to=address, deadline_ns=self._moment(deadline)))
            while True:
                message = await inbox.get()
                if isinstance(message, Item):
                    followed += 1
                    yield decode(message.value)
                    self._host.mailboxes.release(address)
                elif isinstance(message, Answer):
                    answered = True
                    # An answer from the record brings items that were not sent again.
                    for item in action.signature.unpack_items(done(self._outcome(message), ActionFailed).value)[followed:]:
                        yield item
                    return
        finally:
            await self._host.mailboxes.detach(address)
            if not answered:
                self._send_soon(target, Cancel(id=intent.id))

    async def _answer_to(self, target: str, question: Ask | Ping, deadline: timedelta | None = None) -> Answer:
        key = question.intent.id if isinstance(question, Ask) else question.id
        waiter = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            sending = self._host.mailboxes.send(Envelope(to=target, sender=self._host.id, message=question))
            if deadline is None:
                await sending
            else:  # Once it is sent, the agent's host keeps the deadline, and records that it passed.
                await asyncio.wait_for(sending, deadline.total_seconds())
            return await waiter
        except TimeoutError:
            raise DeadlineExceeded("the mailbox stayed full until the deadline; nothing was asked") from None
        except NoSuchAgent:
            raise self._host.absent(AgentId(target)) from None
        except asyncio.CancelledError:
            if isinstance(question, Ask):
                self._send_soon(target, Cancel(id=question.intent.id))
            raise
        finally:
            del self._waiting[key]

    async def _send(self, target: str, message: Message) -> None:
        try:
            await self._host.mailboxes.send(Envelope(to=target, sender=self._host.id, message=message))
        except NoSuchAgent:
            raise self._host.absent(AgentId(target)) from None

    def _send_soon(self, target: str, message: Message) -> None:
        async def send() -> None:
            try:
                await self._send(target, message)
            except NoSuchAgent:
                _log.debug("no longer there", extra={"event": "cancel_unheard", "agent": target})

        self._host.start_task(send())

    def _outcome(self, answer: Answer) -> Outcome:
        if answer.failure is not None:
            raise rebuild(answer.failure, ActionFailed)
        if answer.outcome is None:
            raise ActionFailed(f"an empty answer to {answer.id}", type="none")
        return answer.outcome

    def _recorded(self, intent: Intent) -> Outcome:
        """What is on record of an effect of a run that has ended. Raises `ReplayDiverged` if it did not ask this then."""
        past = self._host.gateway.find(intent.id)
        if past is None or past.outcome is None:
            raise ReplayDiverged(
                f"run {intent.run} asks {intent.tool} at position {intent.position} when it is gone through again, and did not when it "
                "ran: the code changed, or it depends on something that is not an effect",
                asked=intent.tool,
                position=intent.position,
            )
        same_question(past, intent)
        return past.outcome

    def _moment(self, deadline: timedelta | None) -> int:
        return 0 if deadline is None else self._host.clock.now_ns() + round(deadline.total_seconds() * 1e9)


def done(outcome: Outcome, fallback: type[BailiwickError]) -> Outcome:
    """``outcome``, if it is well. Raises what was refused or failed."""
    if outcome.failure is not None:
        raise rebuild(outcome.failure, fallback)
    return outcome
