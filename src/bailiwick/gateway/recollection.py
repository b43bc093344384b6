"""What must be known of the past to go on from it, kept up to date as the record grows.

A resumed run needs to know what its tree has spent, which launches brought agents to life, and what agents answered since they
were last sealed. To read that off the whole record would take longer the older the record is. So the gateway keeps it at hand, and
seals it now and then as agents are sealed (a *milestone*): whoever opens the record reads the newest milestone and what follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from msgspec.structs import replace

from bailiwick import codec
from bailiwick.effects import FREE, Cost, Intent, Kind, Outcome, Revocation, Seal, Status
from bailiwick.gateway.authority import Authority
from bailiwick.gateway.docket import Docket
from bailiwick.gateway.records import Milestone, Spent
from bailiwick.ids import AgentId, EffectId, RunId, agent_of, root_key
from bailiwick.ledger import Entry, Ledger

SESSION = "session"
"""The name of runs that nobody can resume."""

AMEND = "charter.amend"
"""The name of the effect that changes the charter."""

MILESTONES = AgentId("agt_milestones")
"""Under this name the gateway seals what it remembers."""


_NOTHING_SPENT = (0, FREE)


class Recollection:
    """The past of every tree of runs on one record that has not ended."""

    def __init__(self, ledger: Ledger, authority: Authority | None = None) -> None:
        """Read the newest milestone and what follows it, and tell ``authority`` of it."""
        sealed = ledger.last_seal(MILESTONES)
        self._kept = codec.decode(sealed.seal.state, Milestone) if sealed is not None else Milestone()
        self._authority = authority
        self.amended = self._kept.amended
        """The arguments of the newest change of the charter; empty if there was none."""
        self.docket = Docket()
        """Who is asked what."""
        if self._kept.parked is not None:
            self.docket.restore(self._kept.parked, ledger.entries)
        if authority is not None:
            authority.past.restore(self._kept.monitors)
            if authority.grants is not None:
                for revocation in self._kept.revoked:
                    authority.grants.revoke(revocation)
        for run, name in list(self._kept.under_way.items()):
            if name == SESSION:
                self._forget(run)
        self._fold(ledger.entries(sealed.seq if sealed is not None else 0), ledger)

    def note(self, intent: Intent, outcome: Outcome | None) -> None:
        """An effect is on record now, or has come to its end."""
        kept = self._kept
        if intent.kind is Kind.TOOL:  # Most are: not by a pattern, which takes longer.
            if outcome is not None and outcome.status is not Status.REFUSED:
                if intent.tool == AMEND and outcome.status is Status.DONE:
                    self.amended = intent.arguments
                payer = kept.payers.get(intent.agent) if kept.payers else None
                if payer is None:
                    _add(kept.spent, root_key(intent.id), intent.tool, outcome.cost)
                else:
                    _add(kept.spent_by, payer, intent.tool, outcome.cost)
            return
        match intent.kind:
            case Kind.ASK:
                self._asked(intent, outcome)
            case Kind.SPAWN:
                if outcome is not None and outcome.status is Status.DONE:
                    kept.spawned.setdefault(intent.agent, []).append(intent.id)
                    payer = agent_of(intent.id) if intent.grant else kept.payers.get(intent.agent)
                    if payer is not None:
                        kept.payers[agent_of(intent.id)] = payer
            case Kind.RUN:
                if outcome is None:
                    kept.roots[intent.tool] = intent.run
                    kept.under_way[intent.run] = intent.tool
                else:
                    self._forget(intent.run)
            case Kind.UNDO:
                self._undone(intent, outcome)
            case _:
                pass

    def sealed(self, seal: Seal) -> None:
        """What an agent answered until now is in its sealed state."""
        self._kept.unsealed.pop(seal.agent, None)

    def revoked(self, revocation: Revocation) -> None:
        """What it names is taken back, and stays so for whoever opens the record next."""
        self._kept.revoked.append(revocation)

    def spent(self, root: RunId) -> Spent:
        """What was spent in the tree of ``root``, but for what purses of their own paid."""
        return self._kept.spent.get(root_key(root), {})

    def spent_by(self, agent: AgentId) -> Spent:
        """What the purse paid that ``agent`` was given when it was launched."""
        return self._kept.spent_by.get(agent, {})

    def unsealed(self, agent: AgentId) -> Sequence[EffectId]:
        """What ``agent`` answered since its last seal, in the order of the answers: not yet in its state."""
        return tuple(self._kept.unsealed.get(agent, ()))

    def spawned(self, agent: AgentId) -> Sequence[EffectId]:
        """The launches of ``agent`` that came off, in order. Most will not be asked for again: the runs they were part of have ended."""
        return tuple(self._kept.spawned.get(agent, ()))

    def posted(self, agent: AgentId) -> Sequence[EffectId]:
        """The one-way asks of ``agent`` that have no outcome. Whoever sent them does not wait, and may be gone."""
        return tuple(self._kept.posted.get(agent, ()))

    def undone(self, root: RunId) -> Sequence[EffectId]:
        """What was done in the tree of ``root`` and taken back by another, while that tree has not ended."""
        return tuple(self._kept.undone.get(root_key(root), ()))

    def newest(self, name: str) -> RunId | None:
        """The newest run called ``name``."""
        return self._kept.roots.get(name)

    def names(self) -> list[str]:
        """The names of all runs there ever were."""
        return list(self._kept.roots)

    def milestone(self, at_ns: int) -> Seal:
        """All of this, to stand on the record."""
        kept = replace(
            self._kept,
            amended=self.amended,
            parked=self.docket.state() if self.docket.is_open else None,
            monitors=self._authority.state() if self._authority is not None else {},
        )
        return Seal(agent=MILESTONES, state=codec.encode(kept), at_ns=at_ns)

    def _fold(self, entries: Iterable[Entry], ledger: Ledger) -> None:
        intents: dict[EffectId, Intent] = {}
        for entry in entries:
            record = entry.record
            self.docket.note(entry.seq, record)
            match record:
                case Intent() as intent:
                    intents[intent.id] = intent
                    self.note(intent, None)
                    if self._authority is not None:
                        self._authority.past.recalled(intent, None)
                case Outcome() as outcome:
                    intent = intents.pop(outcome.id, None)
                    if intent is None:  # It was asked before the milestone.
                        past = ledger.find(outcome.id)
                        intent = past.intent if past is not None else None
                    if intent is not None:
                        self.note(intent, outcome)
                        if self._authority is not None:
                            self._authority.past.recalled(intent, outcome)
                case Seal() as seal:
                    self.sealed(seal)
                case Revocation() as revocation:
                    self.revoked(revocation)
                    if self._authority is not None and self._authority.grants is not None:
                        self._authority.grants.revoke(revocation)
                case _:
                    pass

    def _asked(self, intent: Intent, outcome: Outcome | None) -> None:
        if intent.target is None:
            return
        if outcome is None:
            if intent.oneway:
                self._kept.posted.setdefault(intent.target, []).append(intent.id)
            return
        if intent.oneway:
            waiting = self._kept.posted.get(intent.target, [])
            if intent.id in waiting:
                waiting.remove(intent.id)
        if outcome.status is not Status.REFUSED:
            self._kept.unsealed.setdefault(intent.target, []).append(intent.id)

    def _undone(self, intent: Intent, outcome: Outcome | None) -> None:
        root = root_key(intent.id)
        from_outside = intent.undoes is not None and root_key(intent.run) != root
        if from_outside and outcome is not None and outcome.status is Status.DONE and root in map(root_key, self._kept.under_way):
            self._kept.undone.setdefault(root, []).append(cast(EffectId, intent.undoes))

    def _forget(self, run: RunId) -> None:
        """The tree of ``run`` has ended: nobody will go on with it."""
        kept, root = self._kept, root_key(run)
        kept.under_way.pop(run, None)
        kept.spent.pop(root, None)
        kept.undone.pop(root, None)
        self.docket.forget(run)
        for by_agent in (kept.unsealed, kept.spawned, kept.posted, kept.spent_by, kept.payers):
            for agent in [agent for agent in by_agent if root_key(agent) == root]:
                del by_agent[agent]


def _add(by_whom: dict[Any, Spent], whom: str, tool: str, cost: Cost) -> None:
    spent = by_whom.get(whom)
    if spent is None:
        spent = by_whom[whom] = {}
    calls, before = spent.get(tool, _NOTHING_SPENT)
    spent[tool] = (calls + 1, before if cost is FREE else before + cost)
