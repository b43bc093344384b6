"""All envelopes of a charter, asked before each effect and told of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bailiwick import codec
from bailiwick.charter.envelopes.breach import Breach
from bailiwick.charter.envelopes.course_watches import FormulaWatch, RegretWatch, ResponseWatch
from bailiwick.charter.envelopes.ending import end_of
from bailiwick.charter.envelopes.reading import parse_property
from bailiwick.charter.envelopes.records import KeptEnvelope, KeptMonitors
from bailiwick.charter.envelopes.syntax import AtMost, Never, Regret, Response, Risk, Total
from bailiwick.charter.envelopes.tally_watch import TallyWatch
from bailiwick.charter.envelopes.watching import Check, Role, Watch
from bailiwick.charter.records import SafetyEnvelope
from bailiwick.effects import Call, EffectClass, Kind, Outcome
from bailiwick.errors import BadInput
from bailiwick.ids import EffectId, RunId, root_key

MAX_ENVELOPES = 256
_CACHED = 4_096
"""Tools of which it is remembered which envelopes speak of them."""


class Monitors:
    """Watches that envelopes are kept. Not safe to share between threads.

    The gateway asks `would_break` before an effect, calls `admitted` in the same step of the event loop in which the intent goes on
    record, so that two effects in flight cannot both take the last place, and `observe` when the outcome does. What a resumed run
    needs is in `state`; entries after that are folded with `admitted` and `observe`.
    """

    def __init__(self, envelopes: Sequence[SafetyEnvelope]) -> None:
        """Raises `BadInput` that names the envelope, the character and, for a word that is not known, the nearest one."""
        if len(envelopes) > MAX_ENVELOPES:
            raise BadInput(f"a charter has at most {MAX_ENVELOPES} envelopes, this one {len(envelopes)}")
        self._watches: dict[str, Watch[Any]] = {}
        for envelope in envelopes:
            if envelope.name in self._watches:
                raise BadInput(f"two envelopes are called `{envelope.name}`; a refusal has to name one")
            self._watches[envelope.name] = watch(envelope)
        self._responses = [one for one in self._watches.values() if isinstance(one, ResponseWatch)]
        self._roles: dict[tuple[str, Kind, EffectClass], tuple[Role, ...]] = {}
        self._checks: dict[tuple[str, Kind, EffectClass], tuple[Check, ...]] = {}
        self._mentioned: dict[str, bool] = {}

    def mentions(self, tool: str) -> bool:
        """Whether any envelope speaks of ``tool``, or may stop everything: if not, nothing else need be called for it."""
        known = self._mentioned.get(tool)
        if known is None:
            if len(self._mentioned) >= _CACHED:
                self._mentioned.clear()
            known = any(one.stops_all or any(probe.speaks_of(tool) for probe in one.probes) for one in self._watches.values())
            self._mentioned[tool] = known
        return known

    def would_break(self, call: Call) -> Breach | None:
        """The first envelope that would not hold if ``call`` began now and went well. Changes nothing; what is in flight counts."""
        key = (call.tool, call.kind, call.effect)
        checks = self._checks.get(key)
        if checks is None:
            self._roles_of(call)
            checks = self._checks[key]
        for check in checks:
            breach = check(call)
            if breach is not None:
                return breach
        return None

    def all_broken(self, call: Call) -> list[Breach]:
        """Every envelope that would not hold, as `would_break` says of the first."""
        self._roles_of(call)
        return [breach for check in self._checks[call.tool, call.kind, call.effect] if (breach := check(call)) is not None]

    def admitted(self, call: Call, effect: EffectId) -> None:
        """The intent ``effect`` goes on record: it counts from now on as if it had happened."""
        for role in self._roles_of(call):
            role.watch.admitted(call, role, effect)

    def observe(self, call: Call, outcome: Outcome) -> list[Breach]:
        """The outcome of ``call`` goes on record. Returns what does not hold any more because of it, such as a cost that was measured
        higher than it was estimated. An outcome of what was never admitted counts as a refusal, if it is one."""
        roles = self._roles_of(call)
        if not roles:
            return []
        end = end_of(outcome)
        found = (role.watch.ended(call, role, outcome.id, end) for role in roles)
        return [breach for breach in found if breach is not None]

    def overdue(self, now_ns: int) -> list[Breach]:
        """Answers that did not come in time, each told once. Cheap when there is none."""
        return [breach for response in self._responses for breach in response.overdue(now_ns)]

    def forget(self, run: RunId) -> list[Breach]:
        """The tree of the root ``run`` ended: let go of its monitors. Returns the answers that cannot come any more."""
        root = root_key(run)
        ended = [(one, monitor) for one in self._watches.values() for monitor in one.forget(root)]
        found = (one.unanswered(monitor) for one, monitor in ended if isinstance(one, ResponseWatch))
        return [breach for breach in found if breach is not None]

    def state(self) -> bytes:
        """All that the monitors know, to be sealed."""
        kept = (
            KeptEnvelope(name=name, property=one.envelope.property, scope=one.envelope.scope, watches=one.kept())
            for name, one in self._watches.items()
        )
        return codec.encode(KeptMonitors(envelopes=tuple(kept)))

    def restore(self, state: bytes) -> tuple[str, ...]:
        """Go on from what was sealed. Returns the names of the envelopes it does not know as they are now: those have to be told of the
        record from its beginning. Raises `BadInput` for bytes that are no such state."""
        kept: KeptMonitors = codec.decode(state, KeptMonitors)
        known = {(one.name, one.property, one.scope): one.watches for one in kept.envelopes}
        missing: list[str] = []
        for name, one in self._watches.items():
            watches = known.get((name, one.envelope.property, one.envelope.scope))
            if watches is None:
                missing.append(name)
            else:
                one.recall(watches)
        return tuple(missing)

    def _roles_of(self, call: Call) -> tuple[Role, ...]:
        key = (call.tool, call.kind, call.effect)
        found = self._roles.get(key)
        if found is None:
            if len(self._roles) >= _CACHED:
                self._roles.clear()
                self._checks.clear()
            found = self._roles[key] = tuple(role for one in self._watches.values() if (role := one.role(call)) is not None)
            self._checks[key] = tuple(check for role in found if (check := role.watch.checker(role)) is not None)
        return found


def watch(envelope: SafetyEnvelope) -> Watch[Any]:
    """What watches ``envelope``. Raises `BadInput`."""
    try:
        match parse_property(envelope.property):
            case Never() as found:
                return FormulaWatch(envelope, found.formula)
            case AtMost() | Total() | Risk() as found:
                return TallyWatch(envelope, found)
            case Regret() as found:
                return RegretWatch(envelope, found)
            case Response() as found:
                return ResponseWatch(envelope, found)
    except BadInput as error:
        raise BadInput(f"envelope `{envelope.name}`: {error.message}", envelope=envelope.name, **error.facts) from None
