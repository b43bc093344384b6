"""Records for tests of ledgers: small, and each one told from the others by its number."""

from __future__ import annotations

from bailiwick.effects import Attempt, EffectClass, Intent, Kind, Outcome, Seal, Settlement, Settler, Status
from bailiwick.ids import AgentId, EffectId, RunId


def effect(number: int) -> EffectId:
    """An id that can be told from others."""
    return EffectId(f"eff_0123456789ab{number:020x}")


def agent(number: int) -> AgentId:
    """An id that can be told from others."""
    return AgentId(f"agt_0123456789ab{number:020x}")


def intent(number: int, *, arguments: bytes = b"") -> Intent:
    """The intent of effect ``number``."""
    run = RunId(f"run_0123456789ab{number:020x}")
    return Intent(
        id=effect(number),
        run=run,
        agent=agent(0),
        position=str(number),
        kind=Kind.TOOL,
        tool="probe",
        effect=EffectClass.IDEMPOTENT,
        arguments=arguments,
        at_ns=number,
    )


def attempt(number: int, nth: int) -> Attempt:
    """The ``nth`` try of effect ``number``."""
    return Attempt(id=effect(number), number=nth, settlement=Settlement(by=Settler.RETRY))


def outcome(number: int, *, value: bytes = b"") -> Outcome:
    """The outcome of effect ``number``."""
    return Outcome(id=effect(number), status=Status.DONE, value=value)


def seal(number: int, state: bytes) -> Seal:
    """A seal of agent ``number``."""
    return Seal(agent=agent(number), state=state)
