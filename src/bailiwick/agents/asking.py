"""The asking side: how code on a host makes intents, sends messages and waits for what comes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bailiwick import codec
from bailiwick.agents.agent import Receipt
from bailiwick.agents.blueprint import Action
from bailiwick.agents.boundaries import STEP_EFFECTS
from bailiwick.agents.handle import here
from bailiwick.agents.lineage import Lineage
from bailiwick.agents.run import INSIDE_A_TOOL, Run, current
from bailiwick.effects import Actuator, EffectClass, Intent, Kind, Outcome, Status, Tool, rebuild
from bailiwick.errors import ActionFailed, BailiwickError, DeadlineExceeded, NoSuchAgent, ReplayDiverged, Stopping, ToolFailed
from bailiwick.gateway import May, same_question
from bailiwick.ids import AgentId, EffectId, effect_id
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
        intent, run = self._tool_intent(tool, args, kwargs)
        return self._use(tool, intent, run)

    def perform(self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Receipt]:
        """See `Agent.perform`."""
        intent, run = self._tool_intent(tool, args, kwargs)
        return self._perform(tool, intent, run)

    def may(self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, May]:
        """See `Agent.may`."""
        arguments = tool.signature.pack(args, kwargs)
        intent, run = self.intent(Kind.PLAN, tool.name, tool.effect, arguments)
        return self._may(tool, intent, run)

    def ask(self, target: AgentId, action: Action, deadline: timedelta | None, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Call an action and wait for its result; see `Handle`."""
        intent, run = self._ask_intent(target, action, args, kwargs)
        return self._ask(intent, run, action, deadline)

    def tell(self, target: AgentId, action: Action, deadline: timedelta | None, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Call an action and return once its agent has the message; see `Handle.oneway`."""
        intent, run = self._ask_intent(target, action, args, kwargs, oneway=True)
        return self._tell(intent, run, deadline)

    def stream(self, target: AgentId, action: Action, deadline: timedelta | None, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Call an action that streams and follow its results; see `Handle`."""
        intent, run = self._ask_intent(target, action, args, kwargs)
        return self._stream(intent, run, action, deadline)

    def actuator(self, tool: Tool) -> Actuator:
        """What acts on intents for ``tool``."""
        return self._actuator_of(tool)

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

    def version(self, change: str, newest: int) -> int:
        """See `Agent.version`."""
        cursor = current.get() or self._host.root
        run, position = cursor.run, f"version:{change}"
        past = self._host.gateway.find(effect_id(run.id, position))
        if past is not None and past.outcome is not None:
            return codec.decode(past.outcome.value, int)
        if run.rebuilding or self._host.gateway.find(effect_id(run.id, cursor.coming())) is not None:
            return 0
        intent = self._intent_at(run, position, Kind.VERSION, change, EffectClass.PURE, codec.encode({"newest": newest}))
        now_ns = self._host.clock.now_ns()
        outcome = Outcome(id=intent.id, status=Status.DONE, value=codec.encode(newest), started_ns=now_ns, ended_ns=now_ns)
        self._host.gateway.note(intent, outcome)
        return newest

    def intent(self, kind: Kind, tool: str, effect: EffectClass, arguments: bytes, **more: Any) -> tuple[Intent, Run]:
        """The intent at the next position of the code that is running, and its run. ``more`` are further fields of it."""
        cursor = current.get() or self._host.root
        return self._intent_at(cursor.run, cursor.next_position(), kind, tool, effect, arguments, **more), cursor.run

    async def act(self, intent: Intent, run: Run, actuator: Actuator) -> Outcome:
        """Perform through the gateway, or read from the record, and return what came of it."""
        if run.rebuilding:
            return await _unless_withdrawn(self._recorded(intent, cut_off=run.cut_off))
        self._may_go_on(run)
        outside = current.set(INSIDE_A_TOOL)  # What an actuator does inside is its own affair, not an effect of this run.
        try:
            outcome = await self._host.gateway.perform(intent, actuator)
        except asyncio.CancelledError:
            if intent.kind is Kind.TOOL and intent.effect.repeatable and self._host.interruptions.none_made(run):
                self._host.gateway.withdraw(intent)
            raise
        except BailiwickError as error:
            if error.leaves_open:
                run.stopped = error
            raise
        finally:
            current.reset(outside)
        if run.is_loop and run.unsealed >= STEP_EFFECTS and run.agent in self._host.residents:
            self._host.residents[run.agent].seal_loop(run)
        return outcome if outcome.status is not Status.CANCELLED else await _unless_withdrawn(outcome)

    async def _use(self, tool: Tool, intent: Intent, run: Run) -> Any:
        outcome = await self._act_with(tool, intent, run)
        value = tool.signature.unpack_result(done(outcome, ToolFailed).value)
        self._obtained(run, intent, value)
        return value

    async def _perform(self, tool: Tool, intent: Intent, run: Run) -> Receipt:
        found = await self._act_with(tool, intent, run)
        value = tool.signature.unpack_result(found.value) if found.status is Status.DONE else None
        self._obtained(run, intent, value)
        done_with = self._host.gateway.find(found.id)
        changed = codec.decode(done_with.intent.arguments, dict[str, Any]) if done_with is not None and done_with.intent.asked else None
        return Receipt(value, found.status, found.failure, found.id, found.fidelity, found.cost, found.started_ns, found.ended_ns, changed)

    async def _may(self, tool: Tool, intent: Intent, run: Run) -> May:
        tool.signature.unpack(intent.arguments)
        past = self._host.gateway.find(intent.id)
        if run.rebuilding or past is not None:
            return codec.decode(self._recorded(intent).value, May)
        self._may_go_on(run)
        gateway, now_ns = self._host.gateway, self._host.clock.now_ns()
        found = gateway.authority.of(intent.agent).foresee(intent, self._actuator_of(tool).estimate)
        gateway.note(intent, Outcome(id=intent.id, status=Status.DONE, value=codec.encode(found), started_ns=now_ns, ended_ns=now_ns))
        return found

    def _act_with(self, tool: Tool, intent: Intent, run: Run) -> Coroutine[Any, Any, Outcome]:
        tool.signature.unpack(intent.arguments)  # Refuse what does not fit before it is on record.
        return self.act(intent, run, self._actuator_of(tool))

    def _tool_intent(self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Intent, Run]:
        arguments = tool.signature.pack(args, kwargs)
        cursor = current.get() or self._host.root
        run, lineage = cursor.run, cursor.run.lineage
        position = cursor.next_position()
        intent = Intent(  # Spelled out rather than by `intent`: this is on the path of every effect.
            id=effect_id(run.id, position),
            run=run.id,
            agent=run.agent,
            position=position,
            kind=Kind.TOOL,
            tool=tool.name,
            effect=tool.effect,
            arguments=arguments,
            at_ns=self._host.clock.now_ns(),
            path=tool.path,
            caused_by=lineage.causes(args, kwargs) if lineage is not None else (),
        )
        return intent, run

    def _ask_intent(
        self, target: AgentId, action: Action, args: tuple[Any, ...], kwargs: dict[str, Any], *, oneway: bool = False
    ) -> tuple[Intent, Run]:
        here.set(self._host)  # Where handles in the answer belong, also in a task that began before this host did.
        more = {"target": target, "oneway": oneway, "code": action.code, "caused_by": self._causes(args, kwargs)}
        return self.intent(Kind.ASK, action.qualified, EffectClass.IDEMPOTENT, action.signature.pack(args, kwargs), **more)

    def _intent_at(self, run: Run, position: str, kind: Kind, tool: str, effect: EffectClass, arguments: bytes, **more: Any) -> Intent:
        return Intent(
            id=effect_id(run.id, position),
            run=run.id,
            agent=run.agent,
            position=position,
            kind=kind,
            tool=tool,
            effect=effect,
            arguments=arguments,
            at_ns=self._host.clock.now_ns(),
            **more,
        )

    def _causes(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[EffectId, ...]:
        lineage = (current.get() or self._host.root).run.lineage
        return lineage.causes(args, kwargs) if lineage is not None else ()

    def _obtained(self, run: Run, intent: Intent, value: object) -> None:
        if run.lineage is None:
            run.lineage = Lineage()
        run.lineage.obtained(intent.id, value)

    def _may_go_on(self, run: Run) -> None:
        """Raises what an earlier effect of the run was left open with; `Stopping` once the host was told to stop, because what is asked
        for then, in a ``finally`` perhaps, would take the place of what the run goes on with when it is resumed."""
        if run.stopped is not None:
            raise run.stopped
        if not run.closing and self._host.interruptions.of(run.id):
            raise Stopping("this host was told to stop; what is asked now stays undone")

    async def _ask(self, intent: Intent, run: Run, action: Action, deadline: timedelta | None) -> Any:
        if run.rebuilding:
            outcome = self._recorded(intent, cut_off=run.cut_off)
        else:
            question = Ask(intent=intent, reply_to=self._host.id, deadline_ns=self._moment(deadline))
            self._may_go_on(run)
            outcome = self._outcome(await self._answer_to(intent.target or "", question, deadline))
        value = action.signature.unpack_result(done(await _unless_withdrawn(outcome), ActionFailed).value)
        self._obtained(run, intent, value)
        return value

    async def _tell(self, intent: Intent, run: Run, deadline: timedelta | None) -> None:
        if run.rebuilding:
            return
        self._may_go_on(run)
        self._host.gateway.post(intent)  # Nobody waits for the answer, so from here on the record keeps the question.
        past = self._host.gateway.find(intent.id)
        if past is None or past.outcome is None:
            await self._send(intent.target or "", Ask(intent=intent, reply_to="", deadline_ns=self._moment(deadline)))

    async def _stream(self, intent: Intent, run: Run, action: Action, deadline: timedelta | None) -> AsyncIterator[Any]:
        decode = action.signature.unpack_result
        if run.rebuilding:
            outcome = self._recorded(intent, cut_off=run.cut_off)
            for item in action.signature.unpack_items(done(outcome, ActionFailed).value):
                yield item
            await _unless_withdrawn(outcome)
            return
        self._may_go_on(run)
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
                    outcome = self._outcome(message)
                    for item in action.signature.unpack_items(done(outcome, ActionFailed).value)[followed:]:
                        yield item
                    await _unless_withdrawn(outcome)
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

    def _recorded(self, intent: Intent, *, cut_off: bool = False) -> Outcome:
        """What is on record of an effect of a run that has ended. Raises `ReplayDiverged` if it did not ask this then,
        `DeadlineExceeded` if this is where a run was that was told to stop."""
        past = self._host.gateway.find(intent.id)
        if cut_off and past is not None and (past.outcome is None or past.outcome.status is Status.CANCELLED):
            raise DeadlineExceeded(f"run {intent.run} was told to stop while it did this")
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


async def _unless_withdrawn(outcome: Outcome) -> Outcome:
    """``outcome``, unless whoever asked for it took the question back: then there was no answer, and there never is one. Whatever made
    the code give up then, a deadline or a sibling that failed, makes it give up again."""
    if outcome.status is Status.CANCELLED:
        await asyncio.get_running_loop().create_future()
    return outcome


def done(outcome: Outcome, fallback: type[BailiwickError]) -> Outcome:
    """``outcome``, if it is well. Raises what was refused or failed."""
    if outcome.failure is not None:
        raise rebuild(outcome.failure, fallback)
    return outcome
