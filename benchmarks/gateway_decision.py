"""What it costs to decide: grant, charter of twenty rules, five envelopes and budget, as the gateway asks them before every effect."""

from __future__ import annotations

import time
from statistics import median

from bailiwick.charter import Charter, Rule, SafetyEnvelope, compile_charter
from bailiwick.clock import SystemClock
from bailiwick.codec import encode
from bailiwick.effects import Cost, EffectClass, Intent, Kind
from bailiwick.gateway import Authority
from bailiwick.grants import Budget, GrantBook, Purse, Revocations
from bailiwick.ids import agent_of, ask_of, effect_id, new_run_id
from benchmarks.figure import Figure, Measure

CALLS = 2_000
ROUNDS = 9
ESTIMATE = Cost(usd=0.001, tokens=10)


def authority(*, envelopes: int = 5) -> tuple[Authority, Intent]:
    """Twenty rules with conditions that speak of one tool, envelopes that do, and limits; and a call of it by a script that may."""
    charter = Charter(
        allow=tuple(Rule(tool="pay", when=f"context.arguments.usd < {100 + number}") for number in range(5)),
        deny=tuple(
            Rule(tool="pay", when=f'context.arguments.to == "mallory{number}" && context.arguments.usd > 5') for number in range(15)
        ),
        envelopes=tuple(SafetyEnvelope(name=f"few {n}", property=f"at most {10**4 - n} pay per {n + 1}s") for n in range(envelopes)),
    )
    clock = SystemClock()
    purse = Purse(Budget(usd=1e9, tokens=10**12, cpu_s=1e9, calls={"pay": 10**9}, irreversible=10**9), clock=clock)
    found = Authority(compile_charter(charter), purse, "ada", grants=GrantBook(Revocations(), clock))
    run = new_run_id(clock.now_ns())
    root = Intent(
        id=ask_of(run), run=run, agent=agent_of(ask_of(run)), position="", kind=Kind.RUN, tool="main", effect=EffectClass.IDEMPOTENT
    )
    found.opened(root)
    return found, root


def _microseconds(*, same: bool, envelopes: int = 5) -> float:
    found, root = authority(envelopes=envelopes)
    mandate = found.of(root.agent)
    rounds: list[float] = []
    number = 0
    for _ in range(ROUNDS):
        asked: list[Intent] = []
        for _ in range(CALLS):
            number += 0 if same else 1
            arguments = encode({"to": f"ada{number}", "usd": number % 90})
            asked.append(
                Intent(
                    id=effect_id(root.run, str(number)),
                    run=root.run,
                    agent=root.agent,
                    position=str(number),
                    kind=Kind.TOOL,
                    tool="pay",
                    effect=EffectClass.IRREVERSIBLE,
                    arguments=arguments,
                    at_ns=time.time_ns(),
                )
            )
        start_ns = time.thread_time_ns()
        for intent in asked:
            mandate.decide(intent, ESTIMATE)
            mandate.hold(intent, ESTIMATE).release()
        rounds.append((time.thread_time_ns() - start_ns) / CALLS / 1e3)
    return median(rounds)


def full() -> Figure:
    """Every call with arguments that were not seen before."""
    return Figure(value=_microseconds(same=False), unit="µs", better="lower")


def repeated() -> Figure:
    """The same arguments again, with envelopes, which are never remembered."""
    return Figure(value=_microseconds(same=True), unit="µs", better="lower")


def repeated_without_envelopes() -> Figure:
    """The same arguments again, where no property over time speaks of the tool."""
    return Figure(value=_microseconds(same=True, envelopes=0), unit="µs", better="lower")


FIGURES: dict[str, Measure] = {"full": full, "repeated": repeated, "repeated_without_envelopes": repeated_without_envelopes}
FULL: dict[str, Measure] = {}
