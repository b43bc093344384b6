"""Purses in trees and across hosts, over random histories: nothing is spent that was not given, nothing is lost (invariant 4)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick import codec
from bailiwick.clock import Clock
from bailiwick.effects import Cost
from bailiwick.errors import OverBudget, Unavailable
from bailiwick.grants import Budget, Escrow, Hold, Mint, Purse, PurseTree, SliceGranted, SliceRecord, SliceReturned, restored, state_of

LIMITED = ("tokens", "usd", "calls.act_*", "irreversible")


class Family:
    """A tree of purses, and beside it the same sums done the slow way: by walking."""

    def __init__(self, seed: int, *, over_s: int = 0) -> None:
        self.chance = random.Random(seed)
        self.over = over_s
        self.root = Purse(Budget(tokens=1_000, usd=1_000.0, calls={"act_*": 200}, irreversible=50, spawns=150, depth=6), owner="root")
        self.alive = [self.root]
        self.paid: dict[str, list[int]] = {"root": [0, 0, 0, 0]}
        """By owner, what it spent itself of each of `LIMITED`."""
        self.holds: dict[str, tuple[Purse, Hold, int, bool, str]] = {}
        self.parents: dict[str, str] = {}
        self.made = 0

    def step(self) -> None:
        chance, purse = self.chance, self.chance.choice(self.alive)
        match chance.choice(("carve", "hold", "hold", "hold", "settle", "settle", "release", "close")):
            case "carve":
                self.carve(purse)
            case "hold":
                self.hold(purse)
            case "close" if purse is not self.root and chance.random() < 0.3:
                gone = {below.owner for below in purse}
                purse.close()
                self.alive = [other for other in self.alive if other.owner not in gone]
            case ("settle" | "release") as how if self.holds:
                self.end(chance.choice(list(self.holds)), how)
            case _:
                pass

    def carve(self, purse: Purse) -> None:
        chance = self.chance
        some = {
            name: value
            for name, value in {
                "tokens": chance.randrange(200),
                "usd": float(chance.randrange(200)),
                "calls": {"act_*": chance.randrange(40)},
                "irreversible": chance.randrange(10),
                "spawns": chance.randrange(20),
            }.items()
            if chance.random() < 0.5
        }
        self.made += 1
        owner = f"agent{self.made}"
        before = state_of(self.root)
        try:
            child = purse.carve(Budget(**some) if chance.random() < 0.8 else None, owner)
        except OverBudget:
            assert state_of(self.root) == before  # Nothing has changed.
            return
        self.alive.append(child)
        self.paid[owner] = [0, 0, 0, 0]
        self.parents[owner] = purse.owner

    def hold(self, purse: Purse) -> None:
        self.made += 1
        amount, final = self.chance.randrange(30), self.chance.random() < 0.2
        tool = self.chance.choice(("act_a", "act_b", "look"))
        effect = f"eff{self.made}"
        before = {below.owner: below.left for below in self.root}
        try:
            hold = purse.hold(tool, Cost(tokens=amount, usd=float(amount)), effect=effect, irreversible=final)
        except OverBudget:
            assert {below.owner: below.left for below in self.root} == before
            return
        # Where something is admitted, all that pays for it has room for it.
        assert all(account.used <= account.limit for account, _, _ in hold.line or ())
        self.holds[effect] = (purse, hold, amount, final, tool)

    def end(self, effect: str, how: str) -> None:
        purse, hold, amount, final, tool = self.holds.pop(effect)
        if how == "release":
            hold.release()
            return
        cost = self.chance.randrange(amount + 1 + self.over)
        before = {(below.owner, name): account.used - account.limit for below in self.root for name, account in below.accounts.items()}
        hold.settle(Cost(tokens=cost, usd=float(cost)))
        for below in self.root:  # Nothing is overdrawn by more than this one did cost beyond its estimate.
            for name, account in below.accounts.items():
                scale = 1_000_000_000 if name == "usd" else 1
                overdrawn = max(0, before[below.owner, name])
                assert account.used - account.limit <= overdrawn + max(0, cost - amount) * scale
        paid = self.paid[purse.owner]
        for index, more in enumerate((cost, cost, tool.startswith("act_"), final)):
            paid[index] += more

    def total(self, owner: str) -> list[int]:
        """What was spent by ``owner`` and all that were ever below."""
        below = [other for other in self.paid if owner in self.line(other)]
        return [sum(self.paid[other][index] for other in below) for index in range(4)]

    def line(self, owner: str) -> list[str]:
        found = [owner]
        while found[-1] in self.parents:
            found.append(self.parents[found[-1]])
        return found

    def check(self) -> None:
        for purse in self.root:
            tokens, usd, calls, final = self.total(purse.owner)
            assert (purse.spent.tokens, purse.spent.usd) == (tokens, float(usd))
            assert sum(number for tool, number in purse.calls.items() if tool.startswith("act_")) == calls
            assert purse.spending.counts["irreversible"] == final
            for name, account in purse.accounts.items():
                direct = account.used - account.given
                assert 0 <= account.given <= account.kept <= account.used, name
                assert direct >= 0
                given = sum(max(child.accounts[name].limit, child.accounts[name].used) for child in _nearest(purse, name))
                assert account.given == given, (purse.owner, name)
                assert self.over or account.used <= account.limit, (purse.owner, name)


def _nearest(purse: Purse, name: str) -> list[Purse]:
    """Those below that limit ``name`` themselves, and nobody in between does."""
    found: list[Purse] = []
    unread = list(purse.below.values())
    while unread:
        child = unread.pop()
        if name in child.accounts:
            found.append(child)
        else:
            unread.extend(child.below.values())
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_children_hold_never_exceeds_what_the_parent_was_given_at_any_depth(seed: int) -> None:
    family = Family(seed)
    for _ in range(120):
        family.step()
    family.check()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_limit_is_overdrawn_only_by_what_effects_cost_beyond_their_estimates(seed: int) -> None:
    family = Family(seed, over_s=25)
    for _ in range(120):
        family.step()
    family.check()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_when_all_are_closed_all_that_was_not_spent_is_back(seed: int) -> None:
    family = Family(seed)
    for _ in range(120):
        family.step()
    for effect in list(family.holds):
        family.end(effect, family.chance.choice(("settle", "release")))
    for child in list(family.root.below.values()):
        child.close()
    tokens, usd, calls, final = family.total("root")
    left = family.root.left
    assert (left["tokens"], left["usd"]) == (1_000 - tokens, 1_000.0 - usd)
    assert (left["calls.act_*"], left["irreversible"]) == (200 - calls, 50 - final)
    assert left["spawns"] == 150 - family.root.spending.counts["spawns"]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), over=st.sampled_from([0, 25]))
def test_a_tree_that_comes_back_after_a_crash_is_the_tree_that_was(seed: int, over: int) -> None:
    family = Family(seed, over_s=over)
    for _ in range(100):
        family.step()
    state = state_of(family.root)
    back = restored(codec.decode(codec.encode(state), PurseTree))
    assert state_of(back) == state
    assert [purse.left for purse in back] == [purse.left for purse in family.root]
    assert [purse.held for purse in back] == [purse.held for purse in family.root]
    assert [purse.spent for purse in back] == [purse.spent for purse in family.root]
    for effect, (_, hold, _, _, tool) in family.holds.items():
        hold.settle(Cost(tokens=1))
        back.hold_doubtful(effect, tool, Cost()).settle(Cost(tokens=1))  # The hold that is there, whatever is estimated now.
    assert [(purse.left, purse.spent, purse.calls) for purse in back] == [(purse.left, purse.spent, purse.calls) for purse in family.root]


STEPS = ("time", "tick", "tick", "net", "crash", "clock", "mint", "audit")
LEASE, SKEW, MARGIN = timedelta(seconds=30), timedelta(seconds=2), timedelta(seconds=1)


class Drifting(Clock):
    """A clock that runs a little fast or slow, and whose wall time may be set back or its other time stand still."""

    def __init__(self, world: World, rate: float) -> None:
        self.world = world
        self.rate = rate
        self.set_by_ns = 0

    def monotonic_ns(self) -> int:
        return int(self.world.now_s * self.rate * 1e9)

    def now_ns(self) -> int:
        return 1_700_000_000_000_000_000 + self.monotonic_ns() + self.set_by_ns

    async def sleep(self, duration: timedelta) -> None:
        raise AssertionError("nobody waits here")


class World:
    """A mint and some hosts, messages that get lost, hosts that crash, and somebody who knows what was really spent."""

    def __init__(self, seed: int, hosts: int = 3, agents: int = 4) -> None:
        self.now_s = 0.0
        self.chance = random.Random(seed)
        self.total = Budget(tokens=600, usd=500.0, calls={"act": 120})
        self.record: list[SliceRecord] = []
        self.mint_clock = Drifting(self, 1.0)
        self.mint = self.open_mint()
        self.agents = agents
        self.made = 0
        self.hosts = [self.boot() for _ in range(hosts)]
        self.dead: list[Host] = []

    def open_mint(self) -> Mint:
        return Mint(self.total, self.mint_clock, lease=LEASE, skew=SKEW, note=self.record.append, record=tuple(self.record))

    def boot(self) -> Host:
        self.made += 1
        return Host(self, f"hst_{self.made}")

    def step(self) -> None:
        chance = self.chance
        host = chance.choice(self.hosts)
        match chance.choice((*STEPS, *["act"] * 9, *["end"] * 5)):
            case "time":
                self.now_s += chance.random() * 12
            case "tick":
                asyncio.run(host.escrow.tick())
            case "act":
                host.act()
            case "end":
                host.end()
            case "net" if chance.random() < 0.4:
                host.reachable = not host.reachable
            case "crash" if chance.random() < 0.15:
                self.hosts.remove(host)
                self.dead.append(host)
                self.hosts.append(self.boot())
            case "clock":
                host.clock.set_by_ns += chance.randrange(-5_000_000_000, 5_000_000_000)
            case "mint" if chance.random() < 0.2:
                self.mint = self.open_mint()
            case "audit":
                self.audit(chance.choice([*self.dead, *self.hosts]))
            case _:
                pass
        self.check()

    def audit(self, host: Host) -> None:
        """Somebody reads the record of a host and tells the mint, even if the host is alive and only cannot be reached."""
        if host in self.hosts and host.holds:
            return
        with suppress(Unavailable):  # It is on lease, and may be alive.
            self.mint.reconcile(host.name, host.record(), "ada")

    def check(self) -> None:
        really = [host.really() for host in (*self.hosts, *self.dead)]
        for name, limit in self.total.amounts().items():
            assert sum(host[name] for host in really) <= limit, name
            assert self.mint.spent[name] + self.mint.out[name] <= limit

    def settle(self) -> None:
        """Everything heals, and every host ends."""
        for host in self.hosts:
            host.reachable = True
            while host.holds:
                host.end()
            asyncio.run(host.escrow.tick())
            asyncio.run(host.escrow.close())
        self.now_s += 40
        for host in (*self.hosts, *self.dead):
            self.mint.reconcile(host.name, host.record(), "ada")


class Host:
    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.reachable = True
        self.clock = Drifting(world, 1 + world.chance.uniform(-0.02, 0.02))
        self.escrow = Escrow(name, world.total, self.clock, self.draw, self.give_back, part=1 / 20, margin=MARGIN)
        self.holds: list[tuple[Hold, int]] = []
        self.spent = [0, 0, 0]

    async def draw(self, host: str, slice_id: str, wanted: Mapping[str, int]) -> SliceGranted:
        self.maybe_lost()
        granted = self.world.mint.grant(host, slice_id, wanted)
        self.maybe_lost()
        return granted

    async def give_back(self, returned: SliceReturned) -> None:
        self.maybe_lost()
        self.world.mint.take_back(returned)
        self.maybe_lost()

    def maybe_lost(self) -> None:
        if not self.reachable:
            raise Unavailable("cut off")

    def act(self) -> None:
        chance, purse = self.world.chance, self.escrow.purse
        children = [purse, *purse.below.values()]
        amount = chance.randrange(60)
        try:
            if len(children) <= self.world.agents and chance.random() < 0.3:
                self.world.made += 1
                purse.carve(Budget(tokens=chance.randrange(80)) if chance.random() < 0.7 else None, f"agent{self.world.made}")
            chosen = chance.choice(children)
            self.holds.append((chosen.hold("act", Cost(tokens=amount, usd=float(amount))), amount))
        except (OverBudget, Unavailable):
            return

    def end(self) -> None:
        if self.holds:
            hold, amount = self.holds.pop(self.world.chance.randrange(len(self.holds)))
            if self.world.chance.random() < 0.2:
                hold.release()
                return
            cost = self.world.chance.randrange(amount + 1)
            hold.settle(Cost(tokens=cost, usd=float(cost)))
            for index, more in enumerate((cost, cost * 1_000_000_000, 1)):
                self.spent[index] += more

    def record(self) -> dict[str, int]:
        """What stands on its record: what is in doubt counts as it was estimated."""
        return dict(self.really())

    def really(self) -> dict[str, int]:
        held = sum(amount for _, amount in self.holds)
        more = (held, held * 1_000_000_000, len(self.holds))
        return {name: spent + also for name, spent, also in zip(("tokens", "usd", "calls.act"), self.spent, more, strict=True)}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_all_hosts_together_spend_no_more_than_the_total_and_nothing_is_lost_for_good(seed: int) -> None:
    world = World(seed)
    for _ in range(250):
        world.step()
    world.settle()
    really = [host.really() for host in (*world.hosts, *world.dead)]
    for name, limit in world.total.amounts().items():
        spent = sum(host[name] for host in really)
        assert world.mint.spent[name] == spent, name
        assert world.mint.out[name] == 0
        assert world.mint.left(name) == limit - spent
    assert world.open_mint().spent == world.mint.spent  # It can be rebuilt from its record.
