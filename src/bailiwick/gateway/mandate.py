"""A mandate: under what one agent acts, and what is asked of its effects before anything is paid for or done (invariants 4 and 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from bailiwick import codec
from bailiwick.charter import Answer, Charter, Compiled, Decision
from bailiwick.charter.envelopes import Breach, Monitors
from bailiwick.effects import FREE, NO_LABELS, Call, Cost, EffectClass, Intent, Kind
from bailiwick.errors import LeavesEnvelope, NotAllowed, Refused, Unavailable
from bailiwick.gateway.records import May
from bailiwick.gateway.screen import Screen
from bailiwick.grants import GrantBook, Hold, Purse, Use

NO_ARGUMENTS: Mapping[str, Any] = {}

REMEMBERED = 1_024
"""So many decisions that depend on arguments are remembered for each agent."""

_Key = tuple[Kind, str, EffectClass]


class Mandate:
    """Under what one agent acts. It never changes: another one takes its place, so nothing that it remembers is ever out of date."""

    __slots__ = (
        "_certain",
        "_known",
        "_version",
        "agent_class",
        "charter",
        "grants",
        "monitors",
        "own",
        "parent",
        "principal",
        "purse",
        "screen",
    )

    def __init__(
        self,
        charter: Compiled,
        purse: Purse,
        principal: str,
        *,
        monitors: tuple[Monitors, ...] = (),
        own: Charter | None = None,
        agent_class: str = "",
        parent: Mandate | None = None,
        screen: Screen | None = None,
        grants: GrantBook | None = None,
    ) -> None:
        self.charter = charter
        self.purse = purse
        self.principal = principal
        self.monitors = monitors
        """Those of the charters above first. Each is told of all that is done under it."""
        self.own = own
        """The charter that was given to this agent."""
        self.agent_class = agent_class
        self.parent = parent
        self.screen = screen
        self.grants = grants
        """Where it stands what this agent was granted; None for whoever is asked for nothing."""
        self._version = 0
        self._certain: dict[_Key, Decision] = {}
        self._known: dict[tuple[Kind, str, EffectClass, bytes], Decision] = {}

    def call(self, intent: Intent, estimate: Cost = FREE, *, planning: bool = False) -> Call:
        """``intent`` as it is judged."""
        arguments = _arguments(intent)
        return Call(
            kind=Kind.TOOL if planning else intent.kind,
            tool=intent.tool,
            effect=intent.effect,
            arguments=arguments,
            agent=intent.agent,
            agent_class=self.agent_class,
            run=intent.run,
            principal=self.principal,
            at_ns=intent.at_ns,
            estimate=estimate,
            labels=self.screen.labels_of(intent, arguments) if self.screen is not None else NO_LABELS,
            planning=planning,
        )

    def decide(self, intent: Intent, estimate: Cost, *, anew: bool = True) -> Decision:
        """What the charter says; allowed, or to be asked. Raises `NotGranted`, `NotAllowed`, in words that say what would be, and
        `LeavesEnvelope`; not for what is on record already, and counts (``anew`` False)."""
        if self.grants is not None and self._version != self.grants.revocations.version:
            self._certain.clear()  # Something was taken back since.
            self._known.clear()
            self._version = self.grants.revocations.version
        decision = self._certain.get((intent.kind, intent.tool, intent.effect))
        if decision is not None:
            return decision
        decision = self._known.get((intent.kind, intent.tool, intent.effect, intent.arguments))
        if decision is None:
            decision = self._judge(intent, estimate)
        if anew and self.monitors:
            self.check_envelopes(intent, estimate)
        return decision

    def _judge(self, intent: Intent, estimate: Cost) -> Decision:
        """What grant and charter say, remembered for as long as nothing is taken back, where it depends on nothing else."""
        call = self.call(intent, estimate)
        grant = self.grants.check(call) if self.grants is not None else None
        decision = self.charter.decide(call)
        if decision.answer is Answer.DENY:
            raise self.refusal(call, decision)
        if grant is not None and (grant.expires_ns or (self.grants is not None and self.grants.revocations.leased)):
            return decision
        reads = self.charter.reads(call.tool, call.effect, call.kind)
        if not reads and (grant is None or not grant.arguments) and not any(one.mentions(call.tool) for one in self.monitors):
            self._certain[intent.kind, intent.tool, intent.effect] = decision
        elif all(name.startswith("arguments.") for name in reads):
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[intent.kind, intent.tool, intent.effect, intent.arguments] = decision
        return decision

    def hold(self, intent: Intent, estimate: Cost) -> Hold | Both:
        """Set aside what it may cost, and one use of the grant where they are counted. Raises `OverBudget`, `Paced` or `NotGranted`."""
        hold = self.purse.hold(intent.tool, estimate, irreversible=intent.effect is EffectClass.IRREVERSIBLE)
        if self.grants is None or not self.grants.is_counted(intent.agent):
            return hold
        try:
            return Both(hold, self.grants.use(self.call(intent, estimate)))
        except BaseException:
            hold.release()
            raise

    def foresee(self, intent: Intent, estimate: Cost) -> May:
        """What would be said of ``intent`` now. Changes nothing."""
        call = self.call(intent, estimate, planning=True)
        decision = self.charter.decide(call)
        try:
            if self.grants is not None:
                self.grants.check(call)
            if decision.answer is Answer.DENY:
                raise self.refusal(call, decision)
            self._keep_envelopes(call)
            self.purse.hold(intent.tool, estimate, irreversible=intent.effect is EffectClass.IRREVERSIBLE).release()
        except (Refused, Unavailable) as error:
            return May(answer=Answer.DENY, why=error.message)
        whom = tuple(dict.fromkeys(who for approval in decision.approvals for who in (approval.ask or (self.principal,))))
        return May(answer=decision.answer, why=self.charter.explain(call, decision), ask=whom)

    def check_envelopes(self, intent: Intent, estimate: Cost) -> None:
        """Return if every property over time holds after ``intent`` too. Raises `LeavesEnvelope`."""
        if any(one.mentions(intent.tool) for one in self.monitors):
            self._keep_envelopes(self.call(intent, estimate))

    def _keep_envelopes(self, call: Call) -> None:
        for monitors in self.monitors:
            breach = monitors.would_break(call) if monitors.mentions(call.tool) else None
            if breach is not None:
                raise leaves(call, breach)

    def watched(self, tool: str) -> Iterator[Monitors]:
        """The monitors that must be told of ``tool``."""
        return (monitors for monitors in self.monitors if monitors.mentions(tool))

    def refusal(self, call: Call, decision: Decision) -> NotAllowed:
        """The error for what the charter denies."""
        rule = decision.rule
        return NotAllowed(
            self.charter.explain(call, decision),
            tool=call.tool,
            effect=call.effect.value,
            rule=rule,
            allowed=[entry.id for entry in self.charter.entries if entry.permits],
            conflicts=list(decision.conflicts),
        )


class Both:
    """A hold, and a use of a grant."""

    def __init__(self, hold: Hold, use: Use) -> None:
        self._hold = hold
        self._use = use

    def settle(self, cost: Cost) -> None:
        """It happened, at this cost."""
        self._hold.settle(cost)
        self._use.settle()

    def release(self) -> None:
        """It did not happen. After `settle` nothing."""
        self._hold.release()
        self._use.release()


def leaves(call: Call, breach: Breach) -> LeavesEnvelope:
    """The error for an effect after which a property would not hold."""
    return LeavesEnvelope(
        breach.reason,
        envelope=breach.envelope,
        property=breach.property,
        tool=call.tool,
        because=list(breach.because),
        **({} if breach.until_s is None else {"until_s": breach.until_s}),
    )


def _arguments(intent: Intent) -> Mapping[str, Any]:
    found: object = codec.decode(intent.arguments) if intent.arguments else NO_ARGUMENTS
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else NO_ARGUMENTS
