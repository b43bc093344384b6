"""Authority: under what each agent acts, and what is asked of it before anything is paid for or done (invariants 4 and 7).

What an agent may do only narrows on the way down: under its parent's charters lies its own, and its purse is carved from its parent's.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

from bailiwick.charter import Charter, Compiled, SafetyEnvelope
from bailiwick.charter.envelopes import Monitors
from bailiwick.effects import FREE, Cost, Intent, Kind, Outcome
from bailiwick.errors import NotGranted
from bailiwick.gateway.mandate import Mandate
from bailiwick.gateway.question import Asked
from bailiwick.gateway.records import Spent, Terms
from bailiwick.gateway.screen import Screen
from bailiwick.grants import Grant, GrantBook, Narrowing, Purse
from bailiwick.ids import AgentId, RunId, grant_of

HISTORY = 16_384
"""So much of what stands after a milestone is kept for agents that come to life later."""

_log = logging.getLogger(__name__)


class Foregone:
    """What stood on the record when it was opened, for monitors that must know of it."""

    def __init__(self, everybody: Mandate) -> None:
        self.everybody = everybody
        self._sealed: Mapping[str, Sequence[bytes]] = {}
        self._history: deque[tuple[Intent, Outcome | None]] = deque(maxlen=HISTORY)

    def restore(self, monitors: Mapping[str, Sequence[bytes]]) -> None:
        """This is what `Authority.state` sealed."""
        self._sealed = monitors
        for one, state in zip(self.everybody.monitors, monitors.get("", ()), strict=False):
            one.restore(state)

    def recalled(self, intent: Intent, outcome: Outcome | None) -> None:
        """This stands on the record behind what was sealed."""
        self._history.append((intent, outcome))
        for one in self.everybody.monitors:
            _tell(self.everybody, one, intent, outcome)

    def tell(self, agent: AgentId, mine: Sequence[Monitors]) -> None:
        """The monitors of ``agent``'s own charter go on from what is on record of it."""
        for one, state in zip(mine, self._sealed.get(agent, ()), strict=False):
            one.restore(state)
        for intent, outcome in self._history if mine else ():
            if intent.agent == agent:
                for one in mine:
                    _tell(self.everybody, one, intent, outcome)


class Authority:
    """Under what everybody acts: the host's charter and purse, and what each launch made of its parent's."""

    def __init__(
        self, charter: Compiled, purse: Purse, principal: str = "", screen: Screen | None = None, grants: GrantBook | None = None
    ) -> None:
        """With ``grants`` nobody acts who was granted nothing: roots are granted all that the charter allows, and launches narrow that."""
        self.screen = screen
        self.grants = grants
        self.everybody = Mandate(charter, purse, principal, monitors=_monitors(charter.envelopes), screen=screen)
        """The host's own: its charter, its purse, of which all others are carved, and who answers for it."""
        self._mandates: dict[AgentId, Mandate] = {}
        self.past = Foregone(self.everybody)
        """What the monitors must be told that come to life later."""

    def of(self, agent: AgentId) -> Mandate:
        """Under what ``agent`` acts; the host's own, for those whom no launch made. Raises `NotGranted` where grants are kept, and it has
        none."""
        mandate = self._mandates.get(agent)
        if mandate is not None:
            return mandate
        if self.grants is not None:
            raise NotGranted(f"{agent} was never launched here: it was granted nothing", grant="", why="it holds no grant")
        return self.everybody

    def opened(self, root: Intent) -> None:
        """A root begins here, or goes on: its code is granted all that the charter allows. Twice is once."""
        if self.grants is not None and root.agent not in self._mandates:
            name = root.grant or grant_of(root.id)
            self.grants.open(
                Grant(id=name, agent=root.agent, principal=self.everybody.principal, tools=("*",), resources=("*",), depth=None)
            )
            before = self.everybody
            self._mandates[root.agent] = Mandate(
                before.charter,
                before.purse,
                before.principal,
                monitors=before.monitors,
                parent=before,
                screen=self.screen,
                grants=self.grants,
            )

    def asked_of_people(self, intent: Intent) -> Asked:
        """Who must agree to ``intent`` by the charters in force now. Raises `NotAllowed`."""
        mandate = self.of(intent.agent)
        decision = mandate.decide(intent, FREE, anew=False)
        return Asked(decision.approvals, mandate.charter.digest, decision.reason)

    def launched(self, parent: AgentId, agent: AgentId, agent_class: str, terms: Terms, spent: Spent) -> Mandate:
        """``agent`` lives, under its parent's terms narrowed by ``terms``; its purse paid for what it ``spent`` already. Twice is once.

        Raises `OverBudget`, or `BadInput` for a charter that cannot be read.
        """
        known = self._mandates.get(agent)
        if known is not None:
            return known
        above = self.of(parent)
        mandate = _below(above, above.purse, agent_class, terms.charter)
        if self.grants is not None:
            narrowing = terms.grant or Narrowing()
            granted = self.grants.derive(
                parent, agent, on_record=True, **narrowing.changes(self.grants[parent])
            )  # Let through as an effect.
            used = sum(calls for calls, _ in spent.values()) if granted.uses is not None else 0
            self.grants.uses.recall(granted.id, used)
        if terms.budget is not None:
            mandate.purse = above.purse.carve(terms.budget, agent)
        _recall(mandate.purse, spent)
        self.past.tell(agent, mandate.monitors[len(above.monitors) :])
        self._mandates[agent] = mandate
        return mandate

    def recall(self, spent: Spent) -> None:
        """The host's purse paid for this already."""
        _recall(self.everybody.purse, spent)

    def state(self) -> dict[str, list[bytes]]:
        """What all monitors know."""
        found = {"": [monitors.state() for monitors in self.everybody.monitors]}
        for agent, mandate in self._mandates.items():
            above = len(mandate.parent.monitors) if mandate.parent is not None else 0
            found[agent] = [monitors.state() for monitors in mandate.monitors[above:]]
        return {agent: states for agent, states in found.items() if states}

    def ended(self, agent: AgentId) -> None:
        """``agent`` acts no more: what it has not spent is its parent's again."""
        mandate = self._mandates.pop(agent, None)
        if self.grants is not None:
            self.grants.close(agent)
        if mandate is not None and mandate.parent is not None and mandate.purse is not mandate.parent.purse:
            mandate.purse.close()

    def amend(self, charter: Compiled) -> None:
        """From now on the host acts under ``charter``, and so does everybody below. Monitors of properties that stay go on."""
        before = self.everybody
        monitors = _monitors(charter.envelopes)
        for old, new in zip(before.monitors, monitors, strict=False):
            new.restore(old.state())
        self.everybody = Mandate(charter, before.purse, before.principal, monitors=monitors, screen=self.screen)
        replaced = {before: self.everybody}
        for agent, mandate in list(self._mandates.items()):
            above = replaced[cast(Mandate, mandate.parent)]
            made = replaced[mandate] = _below(above, mandate.purse, mandate.agent_class, mandate.own, before=mandate)
            self._mandates[agent] = made

    def admitted(self, intent: Intent, estimate: Cost) -> None:
        """``intent`` goes on record now: properties over time count it."""
        mandate = self._mandates.get(intent.agent, self.everybody)
        if mandate.monitors:
            for monitors in mandate.watched(intent.tool):
                monitors.admitted(mandate.call(intent, estimate), intent.id)

    def observed(self, intent: Intent, outcome: Outcome) -> None:
        """``outcome`` goes on record. What does not hold any more because of it is logged."""
        mandate = self._mandates.get(intent.agent, self.everybody)
        if not mandate.monitors:
            return
        call = mandate.call(intent)
        for monitors in mandate.watched(intent.tool):
            for breach in monitors.observe(call, outcome):
                _log.warning("left envelope %s: %s", breach.envelope, breach.reason, extra={"event": "left_envelope", "effect": intent.id})
        if intent.kind is Kind.RUN:
            self._over(intent.run)

    def _over(self, run: RunId) -> None:
        """The tree of the root ``run`` has ended."""
        for monitors in self.everybody.monitors:
            monitors.forget(run)


def _below(above: Mandate, purse: Purse, agent_class: str, own: Charter | None, before: Mandate | None = None) -> Mandate:
    """The mandate of an agent that was launched by one who has ``above``."""
    charter, monitors = above.charter, above.monitors
    if own is not None:
        charter = Compiled([*above.charter.layers, (f"{agent_class} {len(above.charter.layers)}", own)])
        mine = _monitors(own.envelopes)
        if before is not None and before.own is not None:
            for old, new in zip(before.monitors[len(before.monitors) - len(mine) :], mine, strict=True):
                new.restore(old.state())
        monitors = (*monitors, *mine)
    return Mandate(
        charter,
        purse,
        above.principal,
        monitors=monitors,
        own=own,
        agent_class=agent_class,
        parent=above,
        screen=above.screen,
        grants=above.grants,
    )


def _tell(mandate: Mandate, monitors: Monitors, intent: Intent, outcome: Outcome | None) -> None:
    if not monitors.mentions(intent.tool):
        return
    if outcome is None:
        monitors.admitted(mandate.call(intent), intent.id)
    else:
        monitors.observe(mandate.call(intent), outcome)


def _recall(purse: Purse, spent: Spent) -> None:
    for tool, (calls, cost) in spent.items():
        purse.recall(tool, cost, calls)


def _monitors(envelopes: tuple[SafetyEnvelope, ...]) -> tuple[Monitors, ...]:
    return (Monitors(envelopes),) if envelopes else ()
