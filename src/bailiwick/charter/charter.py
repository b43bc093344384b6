"""What a charter means: compiled once, asked before every effect. Deny wins; what nothing allows, or nobody can evaluate, is denied."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from bailiwick import codec
from bailiwick.charter.composition import LAYERS, Entry, Index, Role, entries_of, narrowest, preference_entry
from bailiwick.charter.deciding import DENIED, Decision, Probe, Shape
from bailiwick.charter.records import Answer, Charter, Goal, Preference, SafetyEnvelope
from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.errors import BadInput

SHAPES = 4_096
"""How many pairs of tool and class are kept prepared; names come from outside, and are not kept without bound."""
DECISIONS = 4_096
"""How many decisions are kept."""
NAME = 512
"""Characters. Nothing with a longer name is allowed, and with letters outside ASCII nothing with an eighth of that."""
_NAMELESS = Shape([], 1, outside=True)


class Compiled:
    """One charter, or several laid over one another. It never changes, and so what it keeps of earlier decisions is never out of date."""

    def __init__(self, layers: Sequence[tuple[str, Charter]], *, screened: bool = True) -> None:
        self._screened = screened
        self.layers = tuple(layers)
        self.entries = entries_of(self.layers)
        self.budget = narrowest([charter.budget for _, charter in layers])
        self._index = Index(self.entries)
        self._shapes: dict[tuple[Kind, str, EffectClass], Shape] = {}
        self._kept: dict[tuple[Shape, bytes], Decision] = {}
        self._preferred: list[tuple[float, Probe]] | None = None

    @cached_property
    def digest(self) -> str:
        """16 hex digits, the same for charters that mean the same: of one charter its own `Charter.digest`."""
        if len(self.layers) == 1:
            return self.layers[0][1].digest
        return codec.digest(codec.encode([(name, charter.digest) for name, charter in self.layers]))[:16]

    @property
    def principal(self) -> str:
        """Who answers for it: as the innermost charter that names somebody says; empty: whoever runs it."""
        return next((charter.principal for _, charter in reversed(self.layers) if charter.principal), "")

    @property
    def envelopes(self) -> tuple[SafetyEnvelope, ...]:
        """The envelopes of all layers; all of them hold."""
        return tuple(dict.fromkeys(envelope for _, charter in self.layers for envelope in charter.envelopes))

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The goals of all layers, outermost first."""
        found: list[Goal] = []
        for _, charter in self.layers:
            found += (goal for goal in charter.goals if goal not in found)
        return tuple(found)

    @property
    def preferences(self) -> tuple[Preference, ...]:
        """The preferences of all layers, outermost first: that is how they rank."""
        return tuple(preference for _, charter in self.layers for preference in charter.preferences)

    def decide(self, call: Call) -> Decision:
        """Whether ``call`` may happen, which rule says so, and whom to ask first. Never raises for what a call holds."""
        shape = self._shapes.get((call.kind, call.tool, call.effect))
        if shape is None:
            shape = self._prepare(call.kind, call.tool, call.effect)
        if shape.constant is not None:
            return shape.constant
        facts = shape.lens.look(call)
        try:
            key = (shape, shape.lens.key(call, facts))
        except BadInput as error:
            return DENIED._replace(reason=f"a rule cannot be evaluated: {error.message}")
        decision = self._kept.get(key)
        if decision is None:
            decision = shape.decide(call, facts)
            if len(self._kept) >= DECISIONS:
                self._kept.clear()
            self._kept[key] = decision
        return decision

    def key(self, call: Call) -> tuple[str, str, str, str, bytes] | None:
        """What the decision on ``call`` depends on: this digest, kind, tool, class, and what rules look at. Calls with one key get one
        decision, also from another process. None where it cannot be said, and the call is denied."""
        shape = self._shapes.get((call.kind, call.tool, call.effect)) or self._prepare(call.kind, call.tool, call.effect)
        try:
            looked = b"" if shape.constant is not None else shape.lens.key(call, shape.lens.look(call))
        except BadInput:
            return None
        return self.digest, call.kind.value, call.tool, call.effect.value, looked

    def reads(self, tool: str, effect: EffectClass, kind: Kind = Kind.TOOL) -> tuple[str, ...]:
        """What any rule looks at for this tool: ``arguments.usd``, ``labels.to``, ``agent_class``, ``action`` (whether it is planned or
        executed); ``*``: everything."""
        shape = self._shapes.get((kind, tool, effect)) or self._prepare(kind, tool, effect)
        return () if shape.constant is not None else tuple(sorted({".".join(path[:2]) for path in shape.lens.reads}))

    def explain(self, call: Call, decision: Decision) -> str:
        """What an agent is told: which rule, why, what would be allowed, and whom to ask."""
        who = self.principal or call.principal or "whoever runs this"
        head = f"`{call.tool}` ({call.effect})"
        if decision.answer is Answer.ALLOW:
            return f"{head} is allowed" + (f" by {decision.rule}" if decision.rule else "")
        if decision.answer is Answer.ASK:
            whom = ", ".join(dict.fromkeys(name for approval in decision.approvals for name in (approval.ask or (who,))))
            return f"{head} waits until {whom} agree: {decision.reason} ({decision.rule})"
        allowed = self._nearby(call)
        return (
            f"{head} was not done: {decision.reason}{f' ({decision.rule})' if decision.rule else ''}; allowed are: "
            f"{'; '.join(allowed) or 'nothing'}. {who} may change the charter: {self._remedy(call, decision)}"
        )

    def covering(self, tool: str, effect: EffectClass, kind: Kind = Kind.TOOL) -> list[Entry]:
        """The rules that cover such an effect, conditions aside."""
        return self._index.covering(tool, effect, outside=kind is Kind.TOOL)

    def preferred(self, call: Call) -> float:
        """How much ``call`` is liked: the weights of the preferences whose ``when`` is true of it, added up. For choosing among what is
        allowed; it allows and forbids nothing."""
        if self._preferred is None:
            self._preferred = [(one.weight, Probe(preference_entry(one))) for one in self.preferences if one.when]
        return sum(weight for weight, probe in self._preferred if probe.holds(call))

    def _prepare(self, kind: Kind, tool: str, effect: EffectClass) -> Shape:
        if len(tool) > (NAME if tool.isascii() else NAME // 8):
            return _NAMELESS
        shape = Shape(self.covering(tool, effect, kind), len(self.layers), outside=kind is Kind.TOOL, screened=self._screened)
        if len(self._shapes) >= SHAPES:
            self._shapes.clear()
            self._kept.clear()
        self._shapes[kind, tool, effect] = shape
        return shape

    def _nearby(self, call: Call) -> list[str]:
        """What the narrowest layer allows, the rules for this tool first."""
        allows = [entry for entry in self.entries if entry.role is Role.ALLOW and entry.layer == len(self.layers) - 1]
        mine = [entry for entry in allows if entry.covers(call.tool, entry.effect or call.effect, outside=True)]
        shown = [*mine, *(entry for entry in allows if entry not in mine)]
        return [str(entry.rule) if entry.rule is not None else entry.id for entry in shown[:8]] + (["…"] if len(shown) > 8 else [])

    def _remedy(self, call: Call, decision: Decision) -> str:
        if decision.rule:
            return f"take {decision.rule} out, or narrow it with `when`"
        return f'add [[allow]] tool = "{call.tool}"' if call.tool.isascii() else "allow this name, spelled out"


def compile_charter(*charters: Charter, names: Sequence[str] | None = None, screened: bool = True) -> Compiled:
    """The charter that is never wider than any of ``charters``, outermost first.

    Three are called ``fleet``, ``site`` and ``agent`` in the ids of their rules, two ``site`` and ``agent``, unless ``names`` says
    otherwise; one needs no name. Raises `BadInput` with every rule that cannot be read, without any charter, or where a condition
    needs Cedar and it is not installed. `verify` finds more, such as rules that never apply. Not ``screened``, every condition is put
    to Cedar, which is slower and decides the same.
    """
    if not charters:
        raise BadInput("no charter: nothing would say what is allowed")
    known = LAYERS[len(charters)] if len(charters) < len(LAYERS) else tuple(f"layer {n}" for n in range(1, len(charters) + 1))
    chosen = tuple(names) if names is not None else known
    if len(chosen) != len(charters) or len(set(chosen)) != len(chosen):
        raise BadInput(f"{len(charters)} charters need as many different names; these are {', '.join(chosen) or 'none'}")
    return Compiled(list(zip(chosen, charters, strict=True)), screened=screened)
