"""A tree of purses put down for a milestone, and taken up again after a crash."""

# The tree is made of its purses' own numbers, which nobody else needs.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bailiwick.clock import Clock
from bailiwick.errors import BadInput
from bailiwick.grants.budget import RESOURCES, as_cost
from bailiwick.grants.purse import Purse
from bailiwick.grants.records import KeptHold, KeptPurse, PurseTree


def state_of(root: Purse) -> PurseTree:
    """All that `restored` needs. Holds without the id of an effect are left out: nobody could settle them."""
    held = root.holds.values()
    return PurseTree(
        purses=tuple(_kept(purse) for purse in root),
        held=tuple(
            KeptHold(
                effect=hold.effect,
                owner=_heir(hold.purse).owner,
                tool=hold.tool,
                estimate=as_cost(hold.amounts),
                irreversible=hold.extras is not None and hold.extras.irreversible,
            )
            for hold in held
            if hold.purse is not None
        ),
    )


def restored(state: PurseTree, *, clock: Clock | None = None) -> Purse:
    """The root of the tree that `state_of` saw. What was held is held, until whoever finds out what came of those effects settles it:
    `Purse.hold_doubtful` with the effect's id returns the hold. Limits on pace begin anew. Raises `BadInput` for what is no tree.
    """
    purses: dict[str, Purse] = {}
    for kept in state.purses:
        above = purses.get(kept.above) if kept.above is not None else None
        if kept.owner in purses or (above is None) is not (not purses):
            raise BadInput(f"this is no tree of purses: {kept.owner or 'its root'} is in it twice, or not below another", owner=kept.owner)
        if above is None:
            purse = Purse(kept.budget, clock=clock, owner=kept.owner)
        else:
            purse = above._give(kept.budget, kept.owner)
        purses[kept.owner] = purse
    if not purses:
        raise BadInput("this is no tree of purses: it is empty")
    for kept in state.purses:
        _recall(purses[kept.owner], kept)
    for hold in state.held:
        if hold.owner in purses:
            purses[hold.owner].hold_doubtful(hold.effect, hold.tool, hold.estimate, irreversible=hold.irreversible)
    return purses[state.purses[0].owner]


def _heir(purse: Purse) -> Purse:
    """Who answers for what is held from ``purse``: where that is closed, whoever is left above it."""
    while purse.owner not in purse._tree.purses and purse.above is not None:
        purse = purse.above
    return purse


def _kept(purse: Purse) -> KeptPurse:
    spent = list(purse.spending.amounts)
    calls, counts = Counter(purse.spending.calls), Counter(purse.spending.counts)
    for child in purse.below.values():
        for index, amount in enumerate(child.spending.amounts):
            spent[index] -= amount
        calls.subtract(child.spending.calls)
        counts.subtract(child.spending.counts)
    return KeptPurse(
        owner=purse.owner,
        above=purse.above.owner if purse.above is not None else None,
        budget=purse.budget,
        spent=_there(dict(zip(RESOURCES, spent, strict=True))),
        calls=_there(calls),
        counts=_there(counts),
    )


def _there(counted: Mapping[str, int]) -> dict[str, int]:
    return {name: number for name, number in counted.items() if number}


def _recall(purse: Purse, kept: KeptPurse) -> None:
    cpu, wall, node, tokens, usd, sent = (kept.spent.get(name, 0) for name in RESOURCES)
    purse._recall((cpu, wall, node, tokens, usd, sent, 1), kept.calls, kept.counts)
