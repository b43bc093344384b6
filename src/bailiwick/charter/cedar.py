"""Cedar: conditions are parsed once, kept as handles, and asked with structured values. No text that comes with a call is ever parsed.

One policy set holds the prohibitions of all layers of a charter and, as policies that only report, the conditional permissions of each
layer. Prohibitions are first asked together, as one disjunction: nearly always none of them holds, and one short policy costs a third of
many. Only if one does, or cannot be evaluated, they are asked one by one, without approval and with it.

Cedar skips a policy that it cannot evaluate, be it a prohibition. Here such a prohibition denies (invariant 7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bailiwick.charter.terms import Expression, binary, joined, negation, variable, with_folded_texts
from bailiwick.errors import BadInput

if TYPE_CHECKING:
    from cedarpy import PolicySet

TEXT_BYTES = 1_000_000
CONDITION_BYTES = 8_192
NESTING = 24
"""Brackets within brackets. Cedar's parser recurses, and would end the process where the stack does."""
OPERATORS = 400
"""In one policy."""
DEPTH = 40
"""Expressions within expressions, as parsed."""
TOGETHER = 8
"""How many conditions make one disjunction; more would nest too deeply for Cedar."""

_EVERY = {"op": "All"}
_ONLY_EVERYTHING: frozenset[str] = frozenset()
_TYPE_ACTION = {word: {"type": "Action", "id": word} for word in ("plan", "execute")}
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|[()\[\]{};]|\bif\b|&&|\|\||[-+*!.<>=?:,]', re.DOTALL)
_FAULT = re.compile(r"policy `([^`]*)`: (.*)", re.DOTALL)


class Source(NamedTuple):
    """One policy as somebody wrote it."""

    permits: bool
    id: str
    """Its ``@id``, or empty."""
    reason: str
    """Its ``@reason``, or empty."""
    resource: str | None
    """The one tool that it is about; None: every tool."""
    condition: Expression | None
    """All else that must hold; None: nothing."""
    clauses: int
    """How many conditions it was written with."""


class Asked(NamedTuple):
    """A condition among those that are asked together."""

    key: str
    """What it is known by in the answer."""
    permits: bool
    needs_approval: bool
    """It forbids only what nobody has approved."""
    condition: Expression


class Answered(NamedTuple):
    """Which of the conditions hold; by key."""

    permits: frozenset[str]
    forbids: tuple[str, ...] = ()
    """Those that forbid, approved or not."""
    asks: tuple[str, ...] = ()
    """Those that forbid unless somebody approves."""
    faults: tuple[tuple[str, str], ...] = ()
    """Those that could not be evaluated, and why."""


def available() -> bool:
    """Whether ``cedarpy`` is installed."""
    try:
        import cedarpy  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        return False
    return True


def require() -> None:
    """Raises `BadInput` that says what to install, where ``cedarpy`` is not."""
    if not available():
        raise BadInput("a charter with `when` or `cedar` needs Cedar, which is not installed: pip install 'bailiwick[charter]'")


def parse(text: str, where: str) -> list[Source]:
    """The policies in ``text``. Raises `BadInput`, which begins with ``where``, for what is no Cedar, or costs more than any rule may."""
    require()
    _bounded(text, where)
    from cedarpy import policies_to_json_str

    try:
        found = msgspec.json.decode(policies_to_json_str(text))
    except ValueError as error:
        raise BadInput(f"{where}: not a Cedar policy: {_explained(str(error), text)}") from None
    if found["templates"]:
        raise BadInput(f"{where}: a charter has no templates; write the policy out")
    policies = found["staticPolicies"]
    return [_source(policies[name], where) for name in sorted(policies, key=lambda name: int(name.removeprefix("policy")))]


def parse_condition(text: str, where: str) -> Expression:
    """``text`` as the condition of a rule. Raises `BadInput` for everything that is not exactly one expression."""
    if len(text.encode()) > CONDITION_BYTES:
        raise BadInput(f"{where}: {len(text.encode())} bytes in one condition; at most {CONDITION_BYTES}")
    sources = parse(f"forbid (principal, action, resource) when {{\n{text}\n}};", where)
    if (
        len(sources) != 1
        or sources[0].permits
        or sources[0].resource is not None
        or sources[0].clauses != 1
        or sources[0].condition is None
    ):
        raise BadInput(f"{where}: a condition is one expression, not a policy")
    return sources[0].condition


def _bounded(text: str, where: str) -> None:
    """Refuse what would overrun the stack of Cedar's parser, before it sees it."""
    if len(text.encode()) > TEXT_BYTES:
        raise BadInput(f"{where}: {len(text.encode())} bytes of Cedar; at most {TEXT_BYTES}")
    depth = operators = branches = 0
    for mark in _TOKEN.findall(text):
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth -= 1
        elif mark == ";":
            operators = branches = 0
        elif mark == "if":
            branches += 1
        elif mark[0] not in '"/':
            operators += 1
        if depth > NESTING or branches > NESTING:
            raise BadInput(f"{where}: nested more than {NESTING} deep; split it into rules")
        if operators > OPERATORS:
            raise BadInput(f"{where}: more than {OPERATORS} operators in one policy; split it into rules")


def _explained(error: str, text: str) -> str:
    if re.search(r"\d\.\d", text) and "unexpected token" in error:
        return f'{error}; numbers are whole: compare fractions with .lessThan(decimal("0.5")) and the like'
    return error


def _source(policy: dict[str, Any], where: str) -> Source:
    terms: list[Expression] = []
    resource: str | None = None
    for name in ("principal", "action", "resource"):
        head = policy[name]
        entity = head.get("entity")
        if name == "resource" and head["op"] in ("==", "in") and entity is not None and entity["type"] == "Tool":
            resource = entity["id"]
        elif head["op"] != "All":
            terms.append(_head(name, head))
    bodies = ((condition["kind"], condition["body"]) for condition in policy["conditions"])
    terms.extend(body if kind == "when" else negation(body) for kind, body in bodies)
    annotations = policy.get("annotations", {})
    if len(terms) > TOGETHER:
        raise BadInput(f"{where}: a policy has at most {TOGETHER} conditions; join them with &&")
    condition = joined("&&", terms) if terms else None
    return Source(
        policy["effect"] == "permit", annotations.get("id") or "", annotations.get("reason") or "", resource, condition, len(terms)
    )


def _head(name: str, head: dict[str, Any]) -> Expression:
    """A constraint in the head of a policy, as a condition."""
    if head["op"] == "is":
        return {"is": {"left": variable(name), "entity_type": head["entity_type"]}}
    if "entities" in head:
        return binary("in", variable(name), {"Set": [{"Value": {"__entity": entity}} for entity in head["entities"]]})
    return binary(head["op"], variable(name), {"Value": {"__entity": head["entity"]}})


class Conditions:
    """Conditions that are asked together. What Cedar parses is parsed at first use and kept."""

    def __init__(self, asked: Iterable[Asked]) -> None:
        self._asked = tuple(asked)
        self._forbids = any(not one.permits for one in self._asked)
        self._together: PolicySet | None = None
        self._each: PolicySet | None = None
        self._permits: PolicySet | None = None

    def folded(self) -> Conditions:
        """The same with every text in them folded."""
        return Conditions(one._replace(condition=with_folded_texts(one.condition)) for one in self._asked)

    def ask(self, principal: str, action: str, resource: str, context: bytes) -> Answered:
        """Which of them hold. ``context`` is JSON, and says of nothing that it is approved. Raises `BadInput` if Cedar cannot read it."""
        request = {
            "principal": {"type": "Agent", "id": principal},
            "action": _TYPE_ACTION[action],
            "resource": {"type": "Tool", "id": resource},
        }
        opened = context[:-1] + (b'"approved":' if context == b"{}" else b',"approved":')
        unapproved = opened + b"false}"
        if self._together is None:
            self._together = _policy_set([*_permits(self._asked), *_disjunctions(self._asked)])
        allowed, reasons, faults = _authorize(request, unapproved, self._together)
        if allowed and not any(key.startswith("+") for key, _ in faults):
            return Answered(reasons, faults=faults)
        return self._one_by_one(request, unapproved, opened + b"true}")

    def _one_by_one(self, request: dict[str, Any], unapproved: bytes, approved: bytes) -> Answered:
        if self._each is None or self._permits is None:
            self._each = _policy_set([*_permits(self._asked), *_prohibitions(self._asked)])
            self._permits = _policy_set(_permits(self._asked))
        _, permits, unreadable = _authorize(request, unapproved, self._permits)
        allowed, fired, faults = _authorize(request, unapproved, self._each)
        found = dict((*unreadable, *faults))
        if allowed:
            return Answered(permits, faults=tuple(found.items()))
        allowed, still, faults = _authorize(request, approved, self._each)
        found |= dict(faults)
        forbids = frozenset[str]() if allowed else still
        asks = (one.key for one in self._asked if one.key in fired and one.key not in forbids)
        return Answered(permits, tuple(one.key for one in self._asked if one.key in forbids), tuple(asks), tuple(found.items()))


def _permits(asked: Iterable[Asked]) -> list[tuple[str, bool, Expression | None]]:
    """The permissions, and one of everything: what Cedar then denies, a prohibition denies."""
    return [("", True, None), *((one.key, True, one.condition) for one in asked if one.permits)]


def _prohibitions(asked: Iterable[Asked]) -> list[tuple[str, bool, Expression | None]]:
    return [(one.key, False, _unapproved(one)) for one in asked if not one.permits]


def _disjunctions(asked: Iterable[Asked]) -> list[tuple[str, bool, Expression | None]]:
    terms = [_unapproved(one) for one in asked if not one.permits]
    return [(f"+{at}", False, joined("||", terms[at : at + TOGETHER])) for at in range(0, len(terms), TOGETHER)]


def _unapproved(one: Asked) -> Expression:
    return binary("&&", one.condition, negation(variable("context", "approved"))) if one.needs_approval else one.condition


def _policy_set(policies: list[tuple[str, bool, Expression | None]]) -> PolicySet:
    from cedarpy import PolicySet

    static = {
        key: {
            "effect": "permit" if permits else "forbid",
            "principal": _EVERY,
            "action": _EVERY,
            "resource": _EVERY,
            "conditions": [] if condition is None else [{"kind": "when", "body": condition}],
        }
        for key, permits, condition in policies
    }
    text = msgspec.json.encode({"staticPolicies": static, "templates": {}, "templateLinks": []}).decode()
    try:
        return PolicySet.from_json_str(text)
    except ValueError as error:
        raise BadInput(f"Cedar does not take a condition that it had parsed: {error}; write it with fewer operators") from None


class _Diagnostics(msgspec.Struct):
    reason: list[str]
    errors: list[str]


class _Response(msgspec.Struct):
    decision: str
    diagnostics: _Diagnostics


_read = msgspec.json.Decoder(_Response).decode
Authorize = Callable[[dict[str, Any], "PolicySet"], _Response]


@cache
def _engine() -> Authorize:
    """How Cedar is asked. The extension module answers in a third less time than the public function, which builds objects of its
    answer that nobody here needs; where a release has moved it, the public one serves."""
    import cedarpy

    inner: Any = getattr(cedarpy, "_internal", None)
    if inner is None or not hasattr(inner, "is_authorized") or not hasattr(inner, "Entities"):
        return _by_public_function()
    ask, entities = inner.is_authorized, inner.Entities.from_json_str("[]")

    def authorize(request: dict[str, Any], policies: PolicySet) -> _Response:
        return _read(ask(request, policies, entities))

    return authorize


def _by_public_function() -> Authorize:
    import cedarpy

    public: Any = cedarpy
    entities = public.Entities.from_json_str("[]")

    def authorize(request: dict[str, Any], policies: PolicySet) -> _Response:
        found = public.is_authorized(request, policies, entities)
        return _Response(found.decision.value, _Diagnostics(found.diagnostics.reasons, found.diagnostics.errors))

    return authorize


def _authorize(request: dict[str, Any], context: bytes, policies: PolicySet) -> tuple[bool, frozenset[str], tuple[tuple[str, str], ...]]:
    """Whether Cedar allows it, which policies made it say so, and which it could not evaluate."""
    request["context"] = context.decode()
    try:
        response = _engine()(request, policies)
    except ValueError as error:
        raise BadInput(f"Cedar cannot read this call: {error}") from None
    reasons, errors = response.diagnostics.reason, response.diagnostics.errors
    if response.decision == "Allow" and not errors:
        return True, (_ONLY_EVERYTHING if len(reasons) == 1 else frozenset(reasons) - {""}), ()
    faults = tuple((found[1], found[2]) if (found := _FAULT.search(text)) else ("+", text) for text in errors)
    if response.decision != "Allow" and not reasons:
        return False, frozenset(), (*faults, ("+", "Cedar gave no answer"))
    return response.decision == "Allow", frozenset(reasons) - {""}, faults
