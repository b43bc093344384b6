"""Trying: how often, for how long, and what is known when a try did not answer (invariant 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from bailiwick.clock import Clock
from bailiwick.effects import Actuator, Attempt, Happened, Intent, Kind, Outcome, Result, Settlement, Settler, Status, Unanswered, describe
from bailiwick.errors import BailiwickError, DeadlineExceeded, Defect, InDoubt, Refused, Unavailable
from bailiwick.gateway.undo import Undoing, undo_of
from bailiwick.ledger import Ledger, Past

Answer = tuple[Result, Settlement | None]
"""What came of an effect, and how that was found out if no try simply answered."""


class Attempts:
    """Performs one effect's tries, each on record before it begins."""

    def __init__(self, append: Callable[..., object], ledger: Ledger, clock: Clock) -> None:
        self._append = append
        self._ledger = ledger
        self._clock = clock

    async def reconcile(self, past: Past, actuator: Actuator) -> int | Answer:
        """Decide what a crash left open: return the number of the try that may begin now, or the answer if it had happened.

        Raises `InDoubt` if only a person can tell.
        """
        intent, number = past.intent, past.attempt.number if past.attempt is not None else 1
        if intent.kind not in (Kind.TOOL, Kind.UNDO):
            return number  # It acts on nothing but agents, whose own effects are on record one by one.
        if past.attempt is not None and not past.attempt.begun:
            await self._begun(intent, number, past.attempt.settlement)
            return number
        return await self._ask_on(intent, number, actuator, "a crash cut it off", None)

    async def until_answered(self, intent: Intent, actuator: Actuator, number: int) -> Answer:
        """The first answer, after as many tries as the tool allows. Raises what the last one raised, or `InDoubt`."""
        conduct = actuator.conduct
        while True:
            try:
                act = actuator.act(intent) if conduct.deadline is None else _in_time(conduct.deadline, intent, actuator)
                return await act, None
            except (Refused, Defect):
                raise
            except Exception as error:
                if isinstance(error, BailiwickError) and error.leaves_open:
                    raise
                nothing_happened = isinstance(error, Unavailable)
                worth_it = nothing_happened or isinstance(error, (*conduct.retry.on, DeadlineExceeded))
                if not worth_it or not (intent.effect.repeatable or nothing_happened or _unclear(error, actuator)):
                    raise
                if not (intent.effect.repeatable or nothing_happened):
                    found = await self._ask_on(intent, number, actuator, f"{type(error).__name__}: {error}", error)
                    if not isinstance(found, int):
                        return found
                    number = found
                    continue
                if number >= conduct.retry.attempts:
                    raise
                number = await self._later(intent, number, error, actuator)

    async def _later(self, intent: Intent, number: int, error: Exception, actuator: Actuator) -> int:
        """Note the failure, wait, and note that the next try begins."""
        settlement = Settlement(by=Settler.RETRY, why="nothing happened" if isinstance(error, Unavailable) else "twice is as good as once")
        self._append(
            Attempt(
                id=intent.id, number=number + 1, failure=describe(error), settlement=settlement, begun=False, at_ns=self._clock.now_ns()
            )
        )
        wait = actuator.conduct.retry.wait(number)
        await self._clock.sleep(max(wait, _asked_to_wait(error)))
        await self._begun(intent, number + 1, settlement)
        return number + 1

    async def _ask_on(self, intent: Intent, number: int, actuator: Actuator, why: str, error: Exception | None) -> int | Answer:
        """Find out what became of try ``number``; if the next one is harmless, let it begin."""
        if intent.effect.repeatable:
            await self._begun(intent, number + 1, Settlement(by=Settler.RETRY, why=why))
            return number + 1
        found = await self._probe(intent, actuator)
        if isinstance(found, Happened):
            return found.value, Settlement(by=Settler.PROBE, why=why)
        if found is Unanswered.NOT_HAPPENED:
            settlement = Settlement(by=Settler.PROBE, why=why)
            if error is not None and number >= actuator.conduct.retry.attempts:
                raise error
        elif actuator.conduct.has_undo:
            await self._compensate(intent, number, actuator)
            settlement = Settlement(by=Settler.COMPENSATION, why=why)
            if error is not None and number >= actuator.conduct.retry.attempts:
                raise error
        else:
            raise in_doubt(intent, why) from error
        await self._begun(intent, number + 1, settlement)
        return number + 1

    async def _probe(self, intent: Intent, actuator: Actuator) -> Happened[Result] | Unanswered:
        if not actuator.conduct.has_probe:
            return Unanswered.UNKNOWN
        try:
            return await actuator.probe(intent)
        except Exception as error:  # A probe that fails tells nothing.
            raise in_doubt(intent, f"its probe raised {type(error).__name__}: {error}") from error

    async def _compensate(self, intent: Intent, number: int, actuator: Actuator) -> None:
        """Take back what may have happened: an effect of its own, so that a crash in the middle of it is no new doubt."""
        undo = undo_of(intent, run=intent.run, agent=intent.agent, at_ns=self._clock.now_ns(), nth=number, blind=True)
        past = self._ledger.find(undo.id)
        if past is None:
            self._append(undo)
        elif past.outcome is not None:
            return
        await self._ledger.barrier()
        started_ns = self._clock.now_ns()
        try:
            answer = await self.until_answered(undo, Undoing(actuator, intent, None), 1)
        except Exception as error:
            raise in_doubt(intent, f"taking back what it may have done raised {type(error).__name__}: {error}") from error
        self._append(done(undo, answer, started_ns, self._clock.now_ns()))

    def _begin(self, intent: Intent, number: int, settlement: Settlement) -> None:
        self._append(Attempt(id=intent.id, number=number, settlement=settlement, at_ns=self._clock.now_ns()))

    async def _begun(self, intent: Intent, number: int, settlement: Settlement) -> None:
        """The try is on record, durable where it could leave traces, before it begins (invariant 1)."""
        self._begin(intent, number, settlement)
        if intent.waits_for_disk:
            await self._ledger.barrier()


def done(intent: Intent, answer: Answer, started_ns: int, ended_ns: int) -> Outcome:
    """The outcome of an effect that went well."""
    result, settlement = answer
    return Outcome(
        id=intent.id,
        status=Status.DONE,
        value=result.value,
        fidelity=result.fidelity,
        cost=result.cost,
        started_ns=started_ns,
        ended_ns=ended_ns,
        settlement=settlement,
    )


def in_doubt(intent: Intent, why: str) -> InDoubt:
    """The error for an effect of which only a person can say whether it happened."""
    return InDoubt(
        f"`{intent.tool}` ({intent.effect}) may have happened and is not repeated: {why}. Look at what it touches, then say so: "
        f"`bailiwick effects settle {intent.id} --done VALUE`, `--failed WHY` or `--retry`; `bailiwick effects show "
        f"{intent.id}` has its arguments",
        effect=intent.id,
        tool=intent.tool,
    )


async def _in_time(deadline: timedelta, intent: Intent, actuator: Actuator) -> Result:
    """One try, told to stop when it takes longer than ``deadline``. Raises `DeadlineExceeded`."""
    limit = asyncio.timeout(deadline.total_seconds())
    try:
        async with limit:
            return await actuator.act(intent)
    except TimeoutError as error:
        if not limit.expired():
            raise  # The tool's own.
        raise DeadlineExceeded(f"`{intent.tool}` did not answer within {deadline} and was told to stop") from error


def _unclear(error: Exception, actuator: Actuator) -> bool:
    """Whether ``error`` leaves open if an effect that must not be repeated has happened, and somebody can be asked."""
    return isinstance(error, DeadlineExceeded) or actuator.conduct.has_probe


def _asked_to_wait(error: Exception) -> timedelta:
    seconds = error.facts.get("retry_after_s") if isinstance(error, Unavailable) else None
    return timedelta(seconds=float(seconds)) if isinstance(seconds, int | float) else timedelta(0)
