"""What a decision costs: a charter of 20 conditional rules, asked anew and asked again; and one of 10,000."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from functools import cache

from bailiwick.charter import Approval, Charter, Compiled, Rule, compile_charter, compile_verified, parse_expression
from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.ids import AgentId, RunId
from benchmarks.figure import Figure, Measure, of_rounds

ROUNDS = 9
CALLS_A_ROUND = 2_000
RULES = 10_000


def call(usd: float, to: str = "somebody@example.com", tool: str = "pay") -> Call:
    """A payment."""
    return Call(Kind.TOOL, tool, EffectClass.IRREVERSIBLE, {"usd": usd, "to": to}, AgentId("agt_1"), "Buyer", RunId("run_1"), "ann", 1)


@cache
def twenty() -> Charter:
    """Eighteen prohibitions and an approval that have to be evaluated, and a permission."""
    deny = [Rule(tool="pay", when=f'context.arguments.usd > {10_000 + n} && context.arguments.to like "*@evil{n}.com"') for n in range(9)]
    deny += [Rule(tool="p*", when=f'context.arguments.to == "thief{n}@example.com"') for n in range(9)]
    asking = Approval(tool="pay", when="context.arguments.usd > 9000", ask=("bob",))
    return Charter(allow=(Rule(tool="pay"),), deny=tuple(deny), approvals=(asking,))


@cache
def ten_thousand() -> Charter:
    """For a thousand tools ten rules each."""
    rules = (Rule(tool=f"tool_{n % 1_000}_*", when=f"context.arguments.usd > {10_000 + n}") for n in range(RULES))
    return Charter(allow=(Rule(),), deny=tuple(rules))


def decisions(compiled: Compiled, calls: list[Call]) -> float:
    """The median time of one decision, in µs."""
    decide, clock = compiled.decide, time.perf_counter_ns
    taken: list[int] = []
    for one in calls:
        start_ns = clock()
        decide(one)
        taken.append(clock() - start_ns)
    return statistics.median(taken) / 1_000


def rounds(measure: Callable[[], float], unit: str = "µs") -> Figure:
    """So many rounds of it."""
    return of_rounds([measure() for _ in range(ROUNDS)], unit, better="lower")


def _anew(compiled: Compiled) -> Figure:
    """Every call differs in what rules look at, so none was decided before; everything is parsed by then."""
    compiled.decide(call(0))
    different = (call(1 + n % 9_000, f"to{n}@example.com") for n in itertools.count())
    return rounds(lambda: decisions(compiled, list(itertools.islice(different, CALLS_A_ROUND))))


def warm() -> Figure:
    """Prohibitions are screened; Cedar is asked where a screen cannot say no."""
    return _anew(compile_charter(twenty()))


def cedar() -> Figure:
    """Every condition is put to Cedar."""
    return _anew(compile_charter(twenty(), screened=False))


def repeated() -> Figure:
    """The same call, over and over."""
    compiled, again = compile_charter(twenty()), call(5)
    return rounds(lambda: decisions(compiled, [again] * CALLS_A_ROUND))


def plain() -> Figure:
    """A charter without conditions, as most are."""
    compiled, again = compile_charter(Charter(allow=(Rule(tool="p*"),), deny=(Rule(tool="rm*"),))), call(5)
    return rounds(lambda: decisions(compiled, [again] * CALLS_A_ROUND))


def ten_thousand_rules() -> Figure:
    """Ten of them may cover the call and are evaluated."""
    compiled = compile_charter(ten_thousand())
    numbers = itertools.count()
    compiled.decide(call(0, tool="tool_7_x"))
    return rounds(lambda: decisions(compiled, [call(next(numbers) % 10_000, tool="tool_7_x") for _ in range(CALLS_A_ROUND)]))


def new_tool_of_ten_thousand() -> Figure:
    """Each call is of a tool that was not called before: its rules are found, and screened, for the first time."""
    compiled = compile_charter(ten_thousand())
    numbers = itertools.count()
    return rounds(lambda: decisions(compiled, [call(5, tool=f"tool_{n % 1_000}_{n}") for n in itertools.islice(numbers, 200)]))


def load_twenty() -> Figure:
    """Verified and compiled."""

    def once() -> float:
        start_ns = time.perf_counter_ns()
        compile_verified(twenty())
        return (time.perf_counter_ns() - start_ns) / 1e6

    return rounds(once, "ms")


def expression() -> Figure:
    """A line of arithmetic."""
    found = parse_expression("min(cpus * hours, 100) / 4 < quota - used and hours <= 24", ("cpus", "hours", "quota", "used"))
    names = {"cpus": 8, "hours": 3, "quota": 100, "used": 40}

    def once() -> float:
        start_ns = time.perf_counter_ns()
        for _ in range(CALLS_A_ROUND):
            found.compute(names)
        return (time.perf_counter_ns() - start_ns) / 1_000 / CALLS_A_ROUND

    return rounds(once)


FIGURES: dict[str, Measure] = {
    "warm": warm,
    "cedar": cedar,
    "repeated": repeated,
    "plain": plain,
    "ten_thousand_rules": ten_thousand_rules,
    "new_tool_of_ten_thousand": new_tool_of_ten_thousand,
    "load_twenty": load_twenty,
    "expression": expression,
}
