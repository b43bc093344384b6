"""Calls, outcomes and monitors for the tests of envelopes."""

from __future__ import annotations

from typing import Any

from bailiwick import codec
from bailiwick.charter import Monitors, SafetyEnvelope
from bailiwick.effects import FREE, Call, Cost, EffectClass, Failure, Intent, Kind, Outcome, Status
from bailiwick.ids import AgentId, EffectId, RunId

S = 1_000_000_000
RUN = RunId("run_00000000000a" + "1" * 20)
AGENT = AgentId("agt_00000000000a" + "2" * 20)


def call(
    tool: str, at_s: float = 0, run: str = RUN, agent: str = AGENT, effect: EffectClass = EffectClass.IRREVERSIBLE, **given: Any
) -> Call:
    labels = given.pop("labels", {})
    kind = given.pop("kind", Kind.TOOL)
    estimate = given.pop("estimate", FREE)
    return Call(kind, tool, effect, given, AgentId(agent), "Clerk", RunId(run), "ada", int(at_s * S), estimate, labels)


def outcome(
    effect: str, at_s: float = 0, status: Status = Status.DONE, code: str = "tool_failed", value: Any = None, usd: float = 0.0
) -> Outcome:
    failure = Failure(code=code, type="x:Y", message="") if status is Status.FAILED else None
    encoded = codec.encode(value) if status is Status.DONE else b""
    return Outcome(id=EffectId(effect), status=status, failure=failure, value=encoded, cost=Cost(usd=usd), ended_ns=int(at_s * S))


def watching(*properties: str, scope: str = "run", reason: str = "") -> Monitors:
    return Monitors(
        [SafetyEnvelope(name=f"e{number}", property=text, scope=scope, reason=reason) for number, text in enumerate(properties, 1)]
    )


def do(monitors: Monitors, effect: str, asked: Call, **ended: Any) -> None:
    """The effect, whole."""
    monitors.admitted(asked, EffectId(effect))
    monitors.observe(asked, outcome(effect, asked.at_ns / S, **ended))


def allows(monitors: Monitors, asked: Call) -> bool:
    return monitors.would_break(asked) is None


def intent(effect: str, asked: Call) -> Intent:
    return Intent(
        id=EffectId(effect),
        run=asked.run,
        agent=asked.agent,
        position="1",
        kind=asked.kind,
        tool=asked.tool,
        effect=asked.effect,
        arguments=codec.encode(dict(asked.arguments)),
        at_ns=asked.at_ns,
        principal=asked.principal,
    )
