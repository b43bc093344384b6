"""The firewall that learns: what a decision costs, how fast it learns on calls of families it was not tuned on, and whether injected
tasks act under a plan and labels (`charter_firewall_tasks`).

The judge takes 6.5 s of virtual time and errs in 3 % of its opinions, drawn afresh for each. Latencies are virtual, so that the
figures are the same on every machine; what the fast path itself takes is measured apart, in real time.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from bailiwick.charter.firewall import Canonical, FastRule, Firewall, Labels, Origin, Plan, ScriptedJudge, Seen, Term, Verdict, canonicalise
from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.ids import AgentId, RunId
from bailiwick.testing import VirtualClock, run
from benchmarks.charter_firewall_calls import Made, stream
from benchmarks.charter_firewall_tasks import Result, play
from benchmarks.figure import Figure, Measure, of_rounds

LEARNT_FROM = 5_000
MEASURED_ON = 2_000
JUDGE_S = 6.5
ERRORS = 0.03
SEEDS = (1, 2, 3)


def to_call(made: Made) -> Call:
    """As the gateway would show it. Every call waits for the judge where no rule speaks of it."""
    return Call(Kind.TOOL, made.tool, EffectClass.IRREVERSIBLE, made.arguments, AgentId("agt"), "Agent", RunId("run"), "ada", 0)


class Learnt(NamedTuple):
    """How a stream went, after what was learnt from."""

    hits: float
    mean_s: float
    p50_s: float
    p99_s: float
    false_refusals: float
    let_through: float
    quarters: tuple[float, ...]
    """Hit rates over the quarters of what was learnt from."""
    unknown: float = 0.0
    """Share of the calls that nobody decided (fast only)."""
    rules: int = 0


@functools.cache
def learn(name: str, seed: int, *, errors: float = ERRORS, stubborn: float = 0.0) -> tuple[Learnt, Learnt]:
    """Both paths together, and the fast path alone as it then is, on a stream of the set ``name``."""
    made = stream(name, LEARNT_FROM + MEASURED_ON, seed=seed)
    truth = {id(each.arguments): each.attack for each in made}
    clock = VirtualClock()

    def knows(call: Call) -> Verdict:
        return "attack" if truth[id(call.arguments)] else "benign"

    judge = ScriptedJudge(knows, clock=clock, latency=timedelta(seconds=JUDGE_S), error_rate=errors, stubborn=stubborn, seed=seed)
    firewall = Firewall(clock, judge)
    calls = [to_call(each) for each in made]

    async def go() -> tuple[list[tuple[float, str]], list[str]]:
        both: list[tuple[float, str]] = []
        fast: list[str] = []
        for number, call in enumerate(calls):
            if number == LEARNT_FROM:
                frozen = Firewall(clock)
                frozen.restore(firewall.state())
                fast = [frozen.look(each).answer for each in calls[LEARNT_FROM:]]
            begun_ns = clock.monotonic_ns()
            seen: Seen = await firewall.decide(call)
            both.append(((clock.monotonic_ns() - begun_ns) / 1e9, seen.answer))
            if firewall.learning.doubts:
                await firewall.review()  # In the gaps between calls: nobody waits for it.
            await clock.sleep(timedelta(seconds=1))
        return both, fast

    both, fast = run(go())
    attacks = [each.attack for each in made]
    quarter = LEARNT_FROM // 4
    quarters = tuple(_hits([s for s, _ in both[at : at + quarter]]) for at in range(0, LEARNT_FROM, quarter))
    rules = sum(not rule.shadow for rule in firewall.rules)
    late = both[LEARNT_FROM:]
    found = _score([s for s, _ in late], [answer for _, answer in late], attacks[LEARNT_FROM:], quarters)
    alone = _score([0.0] * len(fast), fast, attacks[LEARNT_FROM:], quarters)
    return found._replace(rules=rules), alone._replace(unknown=fast.count("unknown") / len(fast), rules=rules)


def _hits(latencies_s: list[float]) -> float:
    return sum(latency == 0 for latency in latencies_s) / len(latencies_s)


def _score(latencies_s: list[float], answers: list[str], attacks: list[bool], quarters: tuple[float, ...]) -> Learnt:
    ordered = sorted(latencies_s)
    refused = sum(answer == "deny" and not attack for answer, attack in zip(answers, attacks, strict=True))
    passed = sum(answer == "allow" and attack for answer, attack in zip(answers, attacks, strict=True))
    return Learnt(
        _hits(latencies_s),
        sum(ordered) / len(ordered),
        ordered[len(ordered) // 2],
        ordered[len(ordered) * 99 // 100],
        refused / attacks.count(False),
        passed / attacks.count(True),
        quarters,
    )


def _percent(pick: Callable[[Learnt, Learnt], float], *, higher: bool = False, name: str = "held_out", stubborn: float = 0.0) -> Measure:
    def measure() -> Figure:
        rounds = [100 * pick(*learn(name, seed, stubborn=stubborn)) for seed in SEEDS]
        return of_rounds(rounds, "%", better="higher" if higher else "lower")

    return measure


def _seconds(pick: Callable[[Learnt], float]) -> Measure:
    def measure() -> Figure:
        return of_rounds(
            [pick(learn("held_out", seed)[0]) for seed in SEEDS], "s", better="lower", peer="slow path only", peer_value=JUDGE_S
        )

    return measure


def _task_figure(pick: Callable[[Result], float], unit: str, *, higher: bool = False, name: str = "crossed") -> Measure:
    def measure() -> Figure:
        return of_rounds([pick(play(name, seed)) for seed in SEEDS], unit, better="higher" if higher else "lower")

    return measure


def _typical() -> Call:
    return to_call(
        Made(
            "send_mail",
            {"to": "bob@corp.example", "subject": "Weekly report aurora", "body": "Hello bob, the report is ready. It has 12 items."},
            False,
            0,
        )
    )


def _median_us(act: Callable[[int], object], rounds: int = 10_000) -> Figure:
    taken: list[float] = []
    for number in range(rounds):
        begun_ns = time.perf_counter_ns()
        act(number)
        taken.append((time.perf_counter_ns() - begun_ns) / 1e3)
    taken = sorted(taken[rounds // 10 :])
    return Figure(value=taken[len(taken) // 2], unit="µs", better="lower", low=taken[0], high=taken[len(taken) * 99 // 100])


def many_rules(number: int) -> list[FastRule]:
    """Blocking and allowing rules of all kinds, for thirty tools."""
    rules: list[FastRule] = []
    for n in range(number):
        tool = f"tool_{n % 30}" if n % 10 else "send_mail"
        kinds = [
            (Term(kind="tokens", argument="body", values=(f"word{n % 97}", f"other{n}")),),
            (Term(kind="hosts", argument="to", values=(f"h{n}.example",)), Term(kind="shape", argument="to", high=99)),
            (Term(kind="tokens", argument="*", values=("report", f"number{n % 13}", "secret")),),
            (Term(kind="under", argument="path", values=(f"/data/{n}",)), Term(kind="between", argument="n", low=0, high=n)),
            (Term(kind="equals", argument="to", values=(f"p{n}@corp.example",)),),
        ]
        rules.append(FastRule(id=f"r{n}", action="block", tool=tool, terms=kinds[n // 10 % 5], origin=Origin(by="person:ada")))
    return rules


def _look(rules: int, *, repeated: bool) -> Measure:
    def measure() -> Figure:
        firewall = Firewall(VirtualClock(), rules=many_rules(rules))
        call = _typical()
        calls = [
            call._replace(arguments={**call.arguments, "body": f"Hello bob, the report is ready. It has {n} items."}) for n in range(10_000)
        ]
        return _median_us(lambda number: firewall.look(call if repeated else calls[number]))

    return measure


def _labels(*, repeated: bool) -> Measure:
    def measure() -> Figure:
        labels = Labels({"web": ["web"]}, trusted=["Send the weekly report to bob@corp.example."])
        labels.obtained("eff", "web", "The weather in Bern is fine and will stay so until the end of the week. " * 100)
        call = _typical()
        bodies = [{**call.arguments, "body": f"Hello bob, the report is ready. It has {n} items."} for n in range(10_000)]
        return _median_us(lambda number: labels.of(call.arguments if repeated else bodies[number], "send_mail"))

    return measure


def _plan_us() -> Figure:
    labels = Labels(trusted=["Send the weekly report to bob@corp.example."])
    plan = Plan(labels)
    plan.fix(["send_mail"], {"send_mail": {"to": ["bob@corp.example"]}})
    call = _typical()
    return _median_us(lambda _: plan.look(call))


def _canonicalise_us() -> Figure:
    call = _typical()

    def act(_: int) -> Canonical:
        return canonicalise(call)

    return _median_us(act)


FIGURES: dict[str, Measure] = {
    "canonicalise": _canonicalise_us,
    "look": _look(200, repeated=False),
    "look_repeated": _look(200, repeated=True),
    "look_10000_rules": _look(10_000, repeated=False),
    "labels": _labels(repeated=False),
    "labels_repeated": _labels(repeated=True),
    "plan": _plan_us,
    "hits": _percent(lambda both, _: both.hits, higher=True),
    "hits_first_quarter": _percent(lambda both, _: both.quarters[0], higher=True),
    "hits_last_quarter": _percent(lambda both, _: both.quarters[-1], higher=True),
    "mean_latency": _seconds(lambda both: both.mean_s),
    "p50_latency": _seconds(lambda both: both.p50_s),
    "p99_latency": _seconds(lambda both: both.p99_s),
    "false_refusals": _percent(lambda both, _: both.false_refusals),
    "let_through": _percent(lambda both, _: both.let_through),
    "fast_only_unknown": _percent(lambda _, fast: fast.unknown),
    "fast_only_false_refusals": _percent(lambda _, fast: fast.false_refusals),
    "fast_only_let_through": _percent(lambda _, fast: fast.let_through),
    "slow_only_false": lambda: Figure(value=100 * ERRORS, unit="%", better="lower", peer="by construction: the judge's errors"),
    "attacks_that_act": _task_figure(lambda result: 100 * result.attacks_that_act, "%"),
    "tasks_that_pass": _task_figure(lambda result: 100 * result.tasks_that_pass, "%", higher=True),
    "questions_a_task": _task_figure(lambda result: result.questions, "questions"),
    "false_content": _task_figure(lambda result: 100 * result.false_content, "%"),
}
"""Families that were held out throughout; for tasks, every set crossed with the attacks of the others."""

FULL: dict[str, Measure] = {
    "development_hits": _percent(lambda both, _: both.hits, higher=True, name="development"),
    "development_false_refusals": _percent(lambda both, _: both.false_refusals, name="development"),
    "development_let_through": _percent(lambda both, _: both.let_through, name="development"),
    "development_attacks_that_act": _task_figure(lambda result: 100 * result.attacks_that_act, "%", name="development"),
    "stubborn_false_refusals": _percent(lambda both, _: both.false_refusals, stubborn=1.0),
    "stubborn_let_through": _percent(lambda both, _: both.let_through, stubborn=1.0),
}
"""``stubborn``: a judge that repeats each of its errors however often it is asked."""
