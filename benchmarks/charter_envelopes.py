"""What envelopes cost: asked before an effect, told of it, not concerned by it; how much they keep; how fast a record is gone through."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

from bailiwick import codec
from bailiwick.charter import Monitors, SafetyEnvelope, audit
from bailiwick.effects import Call, Cost, EffectClass, Intent, Kind, Outcome, Record, Status
from bailiwick.ids import AgentId, EffectId, RunId
from benchmarks.figure import Figure, Measure, of_rounds

CALLS = 10_000
ROUNDS = 9
EVENTS = 1_000_000
AUDITED = 50_000
SECOND_NS = 1_000_000_000

ENVELOPES = (
    SafetyEnvelope(name="leak", property='never send_* where "web" in labels after read_* unless done approve'),
    SafetyEnvelope(name="pace", property="at most 1000 send_* per 1h"),
    SafetyEnvelope(name="spend", property="total usd of send_* where usd > 0 at most 100000 per 1d"),
    SafetyEnvelope(name="order", property="send_* only after done draft within 10m"),
    SafetyEnvelope(name="risk", property="risk 0.000001 of irreversible send_* at most 0.5"),
)
"""One of each kind, all of which speak of the same tool."""

OUTCOME = Outcome(id=EffectId("eff_0"), status=Status.DONE, cost=Cost(usd=0.01), ended_ns=SECOND_NS)


def call(tool: str, at_ns: int = SECOND_NS) -> Call:
    """One call of ``tool``."""
    return Call(
        kind=Kind.TOOL,
        tool=tool,
        effect=EffectClass.IRREVERSIBLE,
        arguments={"to": "ada@example.org", "usd": 0.25},
        agent=AgentId("agt_000000000001" + "0" * 20),
        agent_class="Clerk",
        run=RunId("run_000000000001" + "0" * 20),
        principal="ada",
        at_ns=at_ns,
    )


def happened(monitors: Monitors, tool: str, number: int, at_ns: int) -> None:
    """An effect, from its intent to its outcome."""
    asked = call(tool, at_ns)
    monitors.admitted(asked, EffectId(f"eff_{number}"))
    monitors.observe(asked, Outcome(id=EffectId(f"eff_{number}"), status=Status.DONE, ended_ns=at_ns))


def used() -> Monitors:
    """Monitors that have seen something."""
    monitors = Monitors(ENVELOPES)
    for number in range(500):
        happened(monitors, "draft" if number % 2 else "send_mail", number, SECOND_NS)
    return monitors


def _per_call(act: Callable[[], object], unit: str) -> Figure:
    scale = {"µs": 1e3, "ns": 1.0}[unit]
    rounds: list[float] = []
    for _ in range(ROUNDS):
        gc.collect()
        start_ns = time.process_time_ns()
        for _ in range(CALLS):
            act()
        rounds.append((time.process_time_ns() - start_ns) / CALLS / scale)
    return of_rounds(rounds, unit, better="lower")


def would_break_us() -> Figure:
    """Microseconds in which five envelopes say that a call may happen."""
    monitors, asked = used(), call("send_mail")
    assert monitors.would_break(asked) is None
    return _per_call(lambda: monitors.would_break(asked), "µs")


def whole_effect_us() -> Figure:
    """Microseconds that five envelopes take for one effect in all: asked, admitted, ended."""
    monitors, asked = used(), call("send_mail")

    def act() -> None:
        monitors.would_break(asked)
        monitors.admitted(asked, EffectId("eff_0"))
        monitors.observe(asked, OUTCOME)

    return _per_call(act, "µs")


def mentions_ns() -> Figure:
    """Nanoseconds to know that no envelope speaks of a tool."""
    monitors = used()
    assert not monitors.mentions("measure")
    return _per_call(lambda: monitors.mentions("measure"), "ns")


def unconcerned_ns() -> Figure:
    """Nanoseconds that a call costs of which no envelope speaks."""
    monitors, asked = used(), call("measure")
    return _per_call(lambda: monitors.would_break(asked), "ns")


def growth_bytes() -> Figure:
    """Bytes by which this process has grown over a million events, after the first hundred thousand."""
    monitors = Monitors(ENVELOPES)
    for number in range(EVENTS // 10):
        happened(monitors, "send_mail", number, number * SECOND_NS)
    before = _resident_bytes()
    for number in range(EVENTS // 10, EVENTS):
        happened(monitors, "send_mail", number, number * SECOND_NS)
    return Figure(value=max(0, _resident_bytes() - before), unit="bytes", better="lower")


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def state_bytes() -> Figure:
    """Bytes of the sealed monitors of one run after ten thousand events."""
    monitors = Monitors(ENVELOPES)
    for number in range(10_000):
        happened(monitors, "send_mail", number, number * SECOND_NS)
    return Figure(value=len(monitors.state()), unit="bytes", better="lower")


def audit_entries() -> Figure:
    """Entries a second that an audit of five envelopes goes through, half of them about tools that they speak of."""
    arguments = codec.encode({"to": "ada@example.org", "usd": 0.25})
    asked = call("")
    records: list[tuple[int, Record]] = []
    for number in range(AUDITED // 2):
        intent = Intent(
            id=EffectId(f"eff_{number}"),
            run=asked.run,
            agent=asked.agent,
            position=str(number),
            kind=Kind.TOOL,
            tool="send_mail" if number % 2 else "measure",
            effect=EffectClass.IRREVERSIBLE if number % 2 else EffectClass.PURE,
            arguments=arguments,
            at_ns=number * SECOND_NS,
        )
        outcome = Outcome(id=intent.id, status=Status.DONE, ended_ns=number * SECOND_NS)
        records += [(2 * number + 1, intent), (2 * number + 2, outcome)]
    envelopes = [one for one in ENVELOPES if one.name not in ("leak", "order")] + [
        SafetyEnvelope(name="after", property="never send_* after read_* unless done approve"),
        SafetyEnvelope(name="first", property="measure only after draft"),
    ]
    rounds: list[float] = []
    for _ in range(3):
        start_ns = time.process_time_ns()
        audit(records, envelopes)
        rounds.append(len(records) / ((time.process_time_ns() - start_ns) / 1e9))
    return of_rounds(rounds, "entries/s", better="higher")


FIGURES: dict[str, Measure] = {
    "would_break_us": would_break_us,
    "whole_effect_us": whole_effect_us,
    "mentions_ns": mentions_ns,
    "unconcerned_ns": unconcerned_ns,
    "state_bytes": state_bytes,
    "audit_entries": audit_entries,
}

FULL: dict[str, Measure] = {"growth_bytes": growth_bytes}
