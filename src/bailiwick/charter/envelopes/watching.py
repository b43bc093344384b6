"""One envelope, watched for each run, each agent, or all together: a monitor for each, made when something happens there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from bailiwick.charter.envelopes.breach import Breach
from bailiwick.charter.envelopes.courses import Course
from bailiwick.charter.envelopes.ending import End
from bailiwick.charter.envelopes.probes import Probe
from bailiwick.charter.envelopes.records import KeptWatch
from bailiwick.charter.envelopes.tallies import Tally
from bailiwick.charter.records import SafetyEnvelope
from bailiwick.effects import Call
from bailiwick.errors import BadInput
from bailiwick.ids import root_key

MAX_WATCHED = 100_000
"""Runs or agents that one envelope watches at a time. Of more, nothing that it speaks of is let through."""

SCOPES: dict[str, Callable[[Call], str]] = {
    "run": lambda call: call.run[4:16],  # `root_key`, spelled out: this is on the path of every effect.
    "agent": lambda call: call.agent,
    "all": lambda call: "",
}

M = TypeVar("M", Tally, Course)


Check = Callable[[Call], Breach | None]


class Role(NamedTuple):
    """What a property has to do with one tool: which of its events an effect can be, each with its bit."""

    watch: Watch[Any]
    at_intent: tuple[tuple[int, Probe], ...]
    """Where it is admitted."""
    at_end: tuple[tuple[int, Probe], ...]
    """Where it ends."""
    sure: int = 0
    """Those that it is for certain, or may be, where it is admitted, whatever its arguments: bits."""
    asked: tuple[tuple[int, Probe], ...] = ()
    """Those of ``at_intent`` that depend on arguments."""

    def ending(self, end: End) -> list[tuple[int, Probe]]:
        """Which of its events it can be at such an end."""
        return [one for one in self.at_end if one[1].status is end.status]


class Watch(ABC, Generic[M]):
    """One envelope and its monitors."""

    stops_all = False
    """Whether it may refuse what it does not speak of."""

    def __init__(self, envelope: SafetyEnvelope, probes: list[Probe]) -> None:
        """Raises `BadInput` for a scope that there is not."""
        if envelope.scope not in SCOPES:
            raise BadInput(f"`{envelope.scope}` is no scope of an envelope; use `run`, `agent` or `all`")
        self.envelope = envelope
        self.probes = probes
        self.monitors: dict[str, M] = {}
        self.scope = SCOPES[envelope.scope]

    @abstractmethod
    def checker(self, role: Role) -> Check | None:
        """A function that says what is wrong with a call that has ``role``, and changes nothing; None if nothing ever is. It is on the
        path of every effect, so it looks up beforehand what it can."""

    @abstractmethod
    def admitted(self, call: Call, role: Role, effect: str) -> None:
        """``call`` is in flight."""

    @abstractmethod
    def ended(self, call: Call, role: Role, effect: str, end: End) -> Breach | None:
        """``call`` ended; what is wrong because of that."""

    @abstractmethod
    def new(self) -> M:
        """A monitor of nothing yet."""

    def role(self, call: Call) -> Role | None:
        """What it has to do with calls like ``call``; None for nothing."""
        speak = [(number, probe) for number, probe in enumerate(self.probes) if probe.speaks_of(call.tool, call.kind, call.effect)]
        if not speak and not self.stops_all:
            return None
        at_intent = tuple((1 << number, probe) for number, probe in speak if probe.at_intent)
        return Role(
            self,
            at_intent,
            tuple((1 << number, probe) for number, probe in speak if not probe.at_intent),
            sum(bit for bit, probe in at_intent if probe.where is None),
            tuple(one for one in at_intent if one[1].where is not None),
        )

    def monitor(self, call: Call) -> M:
        """The monitor of what ``call`` belongs to."""
        key = self.scope(call)
        found = self.monitors.get(key)
        if found is None:
            found = self.monitors[key] = self.new()
        return found

    def _crowded(self, call: Call) -> Breach | None:
        """Nothing unwatched is let through."""
        if len(self.monitors) < MAX_WATCHED:
            return None
        watched = f"{MAX_WATCHED} {self.envelope.scope}s"
        return self._breach(f"`{call.tool}` was not done: envelope `{self.envelope.name}` watches {watched} already; wait until some end")

    def _refusal(self, call: Call, words: str, because: tuple[str, ...] = (), until_s: float | None = None) -> Breach:
        """What whoever asked for ``call`` is told."""
        return self._breach(f"`{call.tool}` was not done: envelope `{self.envelope.name}` keeps {self._text}{words}", because, until_s)

    def _broken(self, call: Call, words: str, because: tuple[str, ...]) -> Breach:
        """What is told of a property that does not hold any more."""
        return self._breach(f"`{call.tool}` ended, and envelope `{self.envelope.name}` does not hold any more: {words}", because)

    def _breach(self, words: str, because: tuple[str, ...] = (), until_s: float | None = None) -> Breach:
        """``words`` with the reason that the envelope gives."""
        reason = f"{words}. {self.envelope.reason}" if self.envelope.reason else words
        return Breach(self.envelope.name, self.envelope.property, reason, because, until_s)

    @property
    def _text(self) -> str:
        """The property, as it is quoted."""
        return f"`{self.envelope.property}`"

    def kept(self) -> dict[str, KeptWatch]:
        """To be sealed."""
        return {key: monitor.kept() for key, monitor in self.monitors.items()}

    def recall(self, kept: dict[str, KeptWatch]) -> None:
        """Go on from what was sealed."""
        for key, known in kept.items():
            self.monitors[key] = self.new()
            self.monitors[key].recall(known)

    def forget(self, root: str) -> list[M]:
        """The monitors of what ended with the tree of ``root``; they are gone then."""
        if self.envelope.scope == "run":
            ended = [root] if root in self.monitors else []
        else:
            ended = [key for key in self.monitors if self.envelope.scope == "agent" and root_key(key) == root]
        return [self.monitors.pop(key) for key in ended]
