"""What a budget costs on the path of every effect, and whether ten thousand purses keep it."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from bailiwick.effects import FREE, Cost
from bailiwick.errors import OverBudget
from bailiwick.grants import Budget, Hold, Purse, restored, state_of
from benchmarks.figure import Figure, Measure, of_rounds

T = TypeVar("T")

ROUNDS = 30
EFFECTS_A_ROUND = 2_000
PURSES = 10_000
STEPS = 200_000

MEASURED = Cost(cpu_s=1e-6, wall_s=2e-6)
"""What every tool is measured by."""
DEAR = Cost(cpu_s=1e-6, wall_s=2e-6, tokens=100, usd=0.001)
ESTIMATE = Cost(cpu_s=1e-5, wall_s=1e-5, tokens=200, usd=0.01)


def _five_limits(part: float) -> Budget:
    whole = int(1e12 * part)
    return Budget(cpu_s=whole, wall_s=whole, tokens=whole, usd=whole, calls={"a*": whole})


def _per_effect_us(purse: Purse, estimate: Cost, cost: Cost) -> Figure:
    rounds: list[float] = []
    for _ in range(ROUNDS):
        start_ns = time.process_time_ns()
        for _ in range(EFFECTS_A_ROUND):
            purse.hold("act", estimate).settle(cost)
        rounds.append((time.process_time_ns() - start_ns) / EFFECTS_A_ROUND / 1_000)
    return _fastest(rounds)


def _fastest(rounds: Sequence[float]) -> Figure:
    """What else the machine did meanwhile is no part of so short a thing: the fastest round counts."""
    return Figure(value=min(rounds), unit="µs", better="lower", low=min(rounds), high=max(rounds))


def unlimited() -> Figure:
    """Microseconds of CPU time to hold and settle one effect where nothing is limited."""
    return _per_effect_us(Purse(Budget()), FREE, MEASURED)


def five_limits_at_depth_four() -> Figure:
    """The same where each of four generations has five limits of its own."""
    purse = Purse(_five_limits(1))
    for generation in range(1, 4):
        purse = purse.carve(_five_limits(0.5**generation), f"generation {generation}")
    return _per_effect_us(purse, ESTIMATE, DEAR)


def carve() -> Figure:
    """Microseconds of CPU time to give a child five limits and take back what it leaves."""
    purse, rounds = Purse(_five_limits(1)), list[float]()
    budget = _five_limits(0.1)
    for _ in range(ROUNDS):
        start_ns = time.process_time_ns()
        for _ in range(500):
            purse.carve(budget, "child").close()
        rounds.append((time.process_time_ns() - start_ns) / 500 / 1_000)
    return _fastest(rounds)


class _Fleet:
    """Ten thousand purses under one, and what they spend at random."""

    def __init__(self, seed: int, purses: int) -> None:
        self.chance = random.Random(seed)
        self.root = Purse(Budget(tokens=1_000_000, usd=1_000_000.0), owner="root")
        self.purses = [self.root]
        self.held: list[tuple[Hold, int]] = []
        self.spent = 0
        self.effects_ns: list[int] = []
        while len(self.purses) < purses:
            self.spawn()

    def spawn(self) -> None:
        above = self.chance.choice(self.purses)
        room = int(min(above.left["tokens"], above.left["usd"])) // 4
        limited = Budget(tokens=room, usd=float(room)) if room >= 50 and self.chance.random() < 0.7 else None
        self.purses.append(above.carve(limited, f"agent {len(self.purses)}"))

    def step(self) -> None:
        if self.held and self.chance.random() < 0.5:
            hold, amount = self.held.pop(self.chance.randrange(len(self.held)))
            used = self.chance.randrange(amount + 1)
            cost = Cost(tokens=used, usd=float(used))
            self.timed(lambda: hold.settle(cost))
            self.spent += used
            return
        purse, amount = self.chance.choice(self.purses), self.chance.randrange(20)
        estimate = Cost(tokens=amount, usd=float(amount))
        effect = f"eff_{len(self.effects_ns)}_{self.spent}"
        try:
            self.held.append((self.timed(lambda: purse.hold("act", estimate, effect=effect)), amount))
        except OverBudget:
            return

    def timed(self, act: Callable[[], T]) -> T:
        start_ns = time.perf_counter_ns()
        found = act()
        self.effects_ns.append(time.perf_counter_ns() - start_ns)
        return found

    def lost(self) -> int:
        """Tokens that are neither spent nor held nor left, or are twice, in the whole tree; 0 unless something is wrong."""
        held = sum(amount for _, amount in self.held)
        wrong = abs(self.root.spent.tokens - self.spent) + abs(round(self.root.spent.usd) - self.spent)
        for purse in self.root:
            wrong += sum(max(0, account.used - account.limit) for account in purse.accounts.values())
        for child in list(self.root.below.values()):
            child.close()
        left = self.root.left["tokens"] + self.spent + held - 1_000_000
        return wrong + int(abs(left))


def ten_thousand_lost() -> Figure:
    """Tokens lost or made up over 200,000 random effects of 10,000 purses, with a crash in the middle."""
    fleet = _Fleet(7, PURSES)
    for _ in range(STEPS // 2):
        fleet.step()
    back = restored(state_of(fleet.root))
    wrong = abs(back.spent.tokens - fleet.spent) + sum(ours.left != theirs.left for ours, theirs in zip(fleet.root, back, strict=True))
    for _ in range(STEPS // 2):
        fleet.step()
    return Figure(value=wrong + fleet.lost(), unit="tokens", better="lower")


def ten_thousand_beside_ten() -> Figure:
    """How long half an effect takes among 10,000 purses; the peer is the same among 10."""
    many, few = (_median_us(_Fleet(7, purses)) for purses in (PURSES, 10))
    return of_rounds(many, "µs", better="lower", peer="ten purses", peer_value=statistics.median(few))


def _median_us(fleet: _Fleet) -> Sequence[float]:
    rounds: list[float] = []
    for _ in range(5):
        fleet.effects_ns.clear()
        for _ in range(10_000):
            fleet.step()
        rounds.append(statistics.median(fleet.effects_ns) / 1_000)
    return rounds


FIGURES: dict[str, Measure] = {
    "unlimited": unlimited,
    "five_limits_at_depth_four": five_limits_at_depth_four,
    "carve": carve,
    "ten_thousand_lost": ten_thousand_lost,
    "ten_thousand_beside_ten": ten_thousand_beside_ten,
}
