"""Grants: what a holder may ask for. A grant that comes from another is never wider than it (invariant 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from bailiwick.effects import Call, EffectClass
from bailiwick.errors import BadInput, NotGranted
from bailiwick.grants.patterns import (
    check_host,
    check_pattern,
    is_at,
    is_host_narrower,
    is_inside,
    is_literal,
    is_narrower,
    permission,
    place,
    restriction,
)
from bailiwick.ids import AgentId

Scalar = bool | int | float | str | None

KEY_BYTES = 32
_SHAPES = 1_024


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one argument of some tools may be; it must be there. Of a list every item must keep it, and there must be one.

    Everything that is given must hold. A value of another type than the limit speaks of does not keep it: ``"1"``, ``1``, ``1.0`` and
    ``True`` are four values.
    """

    tool: str
    """A tool's name, or a pattern."""
    argument: str
    one_of: tuple[Scalar, ...] | None = None
    under: tuple[str, ...] | None = None
    """Folders: a path to one of them, or to what is in it, as `patterns.place` reads it."""
    at_least: int | float | None = None
    at_most: int | float | None = None
    hosts: tuple[str, ...] | None = None
    """A URL to one of these; see `patterns.is_at`."""

    def __post_init__(self) -> None:
        check_pattern(self.tool)
        for folder in self.under or ():
            if place(folder) is None:
                raise ValueError(f"{folder!r} is no folder: give a path without `.`, `..` and doubled slashes")
        for host in self.hosts or ():
            check_host(host)
        if any(value != value for value in self.one_of or ()):
            raise ValueError("what is not a number is equal to nothing, itself included: it is no limit")
        for bound in (self.at_least, self.at_most):
            if isinstance(bound, bool) or (bound is not None and bound != bound):
                raise ValueError(f"{bound} bounds nothing: give a number")

    def refusal(self, arguments: Mapping[str, Any]) -> str:
        """Why a call with ``arguments`` does not keep this; empty if it does."""
        if self.argument not in arguments:
            return f"`{self.argument}` must be given: it has to be {self}"
        value: Any = arguments[self.argument]
        if isinstance(value, list | tuple):
            items = cast(Sequence[object], value)
            kept = bool(items) and all(self.kept_by(item) for item in items)
        else:
            kept = self.kept_by(value)
        return "" if kept else f"`{self.argument}` is {value!r:.80}, and has to be {self}"

    def kept_by(self, value: object) -> bool:
        """Whether a single value keeps this."""
        if self.one_of is not None and not any(type(value) is type(one) and value == one for one in self.one_of):
            return False
        if self.under is not None and not any(is_inside(value, folder) for folder in self.under):
            return False
        if self.at_least is not None or self.at_most is not None:
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            # So that it is false of what is not a number.
            if not (self.at_least is None or value >= self.at_least) or not (self.at_most is None or value <= self.at_most):
                return False
        return self.hosts is None or any(is_at(value, host) for host in self.hosts)

    def is_within(self, other: Limit) -> bool:
        """Whether every value that keeps this keeps ``other``; never true where one does not. Tools and arguments are not compared."""
        if self.one_of is not None:
            return all(other.kept_by(value) for value in self.one_of)
        if other.one_of is not None:
            return False
        if other.under is not None and not _each(self.under, other.under, is_inside):
            return False
        if other.hosts is not None and not _each(self.hosts, other.hosts, is_host_narrower):
            return False
        # Bounds bound numbers only, so that even the widest bound is narrower than none.
        if other.at_least is not None and not (self.at_least is not None and self.at_least >= other.at_least):
            return False
        return other.at_most is None or (self.at_most is not None and self.at_most <= other.at_most)

    def __str__(self) -> str:
        parts = [
            f"one of {', '.join(map(repr, self.one_of))}" if self.one_of is not None else "",
            f"in {' or '.join(self.under)}" if self.under is not None else "",
            f"at least {self.at_least}" if self.at_least is not None else "",
            f"at most {self.at_most}" if self.at_most is not None else "",
            f"at {' or '.join(self.hosts)}" if self.hosts is not None else "",
        ]
        return " and ".join(filter(None, parts)) or "there"


class Grant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What ``agent`` may ask for, on behalf of ``principal``. Where it is None, ``effects`` and others do not limit; an empty tuple
    leaves nothing.

    A field that is not known here is refused when a grant is read, since it may be a limit. Negative numbers, a key of another length
    and what is no pattern are a `ValueError`.
    """

    id: str
    """Names it where it is revoked; see `GrantBook`."""
    agent: AgentId
    """Who holds it."""
    epoch: int = 0
    """Which incarnation of the agent."""
    key: bytes = b""
    """The agent's public key, Ed25519; empty for one that never leaves the process."""
    principal: str
    """The person who answers for it."""
    tools: tuple[str, ...] = ()
    """Names and patterns of tools, of actions (``Class.action``) and of classes that may be launched."""
    effects: tuple[EffectClass, ...] | None = None
    arguments: tuple[Limit, ...] = ()
    """All of them must be kept."""
    resources: tuple[str, ...] = ()
    """Names and patterns of what may be used on the holder's behalf: ``secret:NAME``."""
    expires_ns: int = 0
    """From then on it is worth nothing; 0: never."""
    uses: int | None = None
    """How many effects, by the holder and by all to whom it is handed on."""
    audience: tuple[str, ...] | None = None
    """At which hosts, or in which fleets, it is worth something."""
    depth: int | None = 0
    """How many times it may be handed on, one after the other; None: without end."""
    budget: str = ""
    """Whose purse pays."""

    def __post_init__(self) -> None:
        for pattern in (*self.tools, *self.resources):
            check_pattern(pattern)
        if self.key and len(self.key) != KEY_BYTES:
            raise ValueError(f"a public key has {KEY_BYTES} bytes, not {len(self.key)}")
        if min(self.epoch, self.expires_ns, self.uses or 0, self.depth or 0) < 0:
            raise ValueError("`epoch`, `expires_ns`, `uses` and `depth` are 0 or more")

    def covers(self, call: Call, now_ns: int) -> str:
        """Empty if it covers ``call``; else why not, in words for whoever asked. `Coverage` is the same and faster the second time.

        Uses, revocation, audience and the agent's epoch are not its to know: `GrantBook` and `Verifier` see to them.
        """
        return Coverage(self).refusal(call, now_ns)

    def holds(self, resource: str) -> bool:
        """Whether ``resource``, such as ``secret:mail``, may be used on the holder's behalf."""
        return any(permission(pattern).fullmatch(resource) for pattern in self.resources)


class Narrowing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """In what a grant is narrower than the one it comes from; what is absent is as it is there. Fields as in `Grant`."""

    tools: tuple[str, ...] | None = None
    effects: tuple[EffectClass, ...] | None = None
    arguments: tuple[Limit, ...] = ()
    """Besides those of the grant it comes from."""
    resources: tuple[str, ...] | None = None
    expires_ns: int | None = None
    uses: int | None = None
    audience: tuple[str, ...] | None = None
    depth: int | None = None

    def changes(self, parent: Grant) -> dict[str, Any]:
        """For `narrow`."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if name != "arguments"}
        found = {name: value for name, value in given.items() if value is not None}
        return found | ({"arguments": (*parent.arguments, *self.arguments)} if self.arguments else {})


class _Terms(NamedTuple):
    """What a grant says of all calls of one tool with one effect class."""

    effect: EffectClass
    refusal: str
    limits: tuple[tuple[str, set[str], Limit], ...]
    """Of each the argument, and texts that are known to keep it. Texts only: `1` would be found where `True` is."""


class Coverage:
    """What a grant covers, remembered by tool."""

    __slots__ = ("_agent", "_expires_ns", "_known", "_principal", "grant")

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self._agent = grant.agent
        self._principal = grant.principal
        self._expires_ns = grant.expires_ns
        self._known: dict[str, _Terms] = {}

    def refusal(self, call: Call, now_ns: int) -> str:
        """As `Grant.covers`."""
        if call.agent != self._agent:
            return f"it is the grant of {self._agent}, not of {call.agent}"
        if call.principal != self._principal:
            return f"it was given by {self._principal}, and this would be on behalf of {call.principal}"
        if self._expires_ns and now_ns >= self._expires_ns:
            return "it has expired"
        terms = self._known.get(call.tool)
        if terms is None or terms.effect is not call.effect:  # A tool has one, as a rule.
            terms = self._learn(call.tool, call.effect)
        if terms.refusal:
            return terms.refusal
        for argument, good, limit in terms.limits:
            value: object = call.arguments.get(argument)
            if type(value) is str and value in good:
                continue
            if refusal := limit.refusal(call.arguments):
                return refusal
            if type(value) is str:
                if len(good) >= _SHAPES:
                    good.clear()
                good.add(value)
        return ""

    def _learn(self, tool: str, effect: EffectClass) -> _Terms:
        grant = self.grant
        refusal = ""
        if not any(permission(pattern).fullmatch(tool) for pattern in grant.tools):
            refusal = f"it does not cover {tool!r}; it covers {', '.join(grant.tools) or 'nothing'}"
        elif grant.effects is not None and effect not in grant.effects:
            refusal = f"{tool} is {effect}, and it covers what is {' or '.join(grant.effects) or 'nothing at all'}"
        limits = tuple((limit.argument, set[str](), limit) for limit in grant.arguments if restriction(limit.tool).fullmatch(tool))
        if len(self._known) >= _SHAPES:
            self._known.clear()
        terms = self._known[tool] = _Terms(effect, refusal, limits)
        return terms


def narrow(parent: Grant, **changes: Any) -> Grant:
    """A grant that comes from ``parent``, with other fields: ``arguments`` are added to those there are, all else takes their place. For
    another agent, ``depth`` is one less where nothing is said of it.

    Raises `NotGranted` that names the field in which it would be wider (facts ``grant``, ``why``), `BadInput` for what is no grant.
    """
    if "arguments" in changes:
        added = tuple(changes["arguments"])
        changes["arguments"] = (*parent.arguments, *(limit for limit in added if limit not in parent.arguments))
    if changes.get("agent", parent.agent) != parent.agent and "depth" not in changes and parent.depth is not None:
        changes["depth"] = max(0, parent.depth - 1)
    fields = {name: getattr(parent, name) for name in Grant.__struct_fields__}
    try:
        child = Grant(**fields | changes)
    except (TypeError, ValueError) as error:
        raise BadInput(f"this is no grant: {error}") from error
    if why := widening(child, parent):
        raise NotGranted(f"{why}. Nothing was granted", grant=parent.id, why=why)
    return child


def is_within(child: Grant, parent: Grant) -> bool:
    """Whether ``child`` may come from ``parent``: whatever it covers, that covers too. Never true where it is wider; false, too, for a
    few that are not, where it cannot be seen from the patterns."""
    return not widening(child, parent)


def widening(child: Grant, parent: Grant) -> str:
    """In what ``child`` is wider than ``parent``, in words; empty if it may come from it."""
    if child.principal != parent.principal:
        return f"`principal`: whoever answers for it is {parent.principal}, not {child.principal}"
    if child.agent == parent.agent:
        if (child.epoch, child.key) != (parent.epoch, parent.key):
            return "`epoch` and `key` of one agent are not changed by the agent"
        handed_on = 0
    else:
        handed_on = 1
    if parent.depth is not None and (child.depth is None or child.depth + handed_on > parent.depth):
        return f"`depth`: it may be handed on {parent.depth} times" if parent.depth else "`depth`: it may not be handed on"
    if child.budget not in (parent.budget, child.agent):
        return f"`budget`: {parent.budget or 'nobody'} pays, or the purse that was carved for {child.agent}"
    return _wider_by_name(child, parent) or _wider_by_number(child, parent) or _wider_in_arguments(child, parent)


def _wider_by_name(child: Grant, parent: Grant) -> str:
    for name, those, these in (("tools", child.tools, parent.tools), ("resources", child.resources, parent.resources)):
        for pattern in those:
            if not any(is_narrower(pattern, outer) for outer in these):
                return f"`{name}`: {pattern!r} is more than {', '.join(these) or 'nothing'}"
    for name, those, these in (("effects", child.effects, parent.effects), ("audience", child.audience, parent.audience)):
        if these is not None and (those is None or not set(those) <= set(these)):
            return f"`{name}`: {'all' if those is None else ', '.join(those)} is more than {', '.join(these) or 'nothing'}"
    return ""


def _wider_by_number(child: Grant, parent: Grant) -> str:
    if parent.expires_ns and not 0 < child.expires_ns <= parent.expires_ns:
        return "`expires_ns`: it would last longer"
    if parent.uses is not None and (child.uses is None or child.uses > parent.uses):
        return f"`uses`: there are {parent.uses}"
    return ""


def _wider_in_arguments(child: Grant, parent: Grant) -> str:
    kept = set(child.arguments)
    for limit in parent.arguments:
        if limit in kept:
            continue
        mine = [own for own in child.arguments if own.argument == limit.argument and own.is_within(limit)]
        if any(is_narrower(limit.tool, own.tool, restricts=True) for own in mine):
            continue
        touched = (tool for tool in child.tools if not is_literal(tool) or restriction(limit.tool).fullmatch(tool))
        if not all(any(is_narrower(tool, own.tool, restricts=True) for own in mine) for tool in touched):
            return f"`arguments`: `{limit.argument}` of {limit.tool} has to be {limit}"
    return ""


def _each(inner: tuple[str, ...] | None, outer: tuple[str, ...], fits: Any) -> bool:
    return inner is not None and all(any(fits(one, other) for other in outer) for one in inner)
