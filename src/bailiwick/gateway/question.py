"""A question to people: how what a charter says of a call becomes requests on the record, and a no becomes words for whoever asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from bailiwick.charter import Approval, OnTimeout
from bailiwick.effects import Intent, Planned, Request, RulingVerdict
from bailiwick.errors import Rejected, Terminated
from bailiwick.gateway.docket import Case, action_of
from bailiwick.gateway.records import Ruled

FOREVER_NS = 2**63 - 1


class Asked(NamedTuple):
    """What the charter says of a call now."""

    approvals: Sequence[Approval]
    """Empty: it needs nobody's approval."""
    charter: str
    """The charter's digest."""
    why: str = ""


class Question(NamedTuple):
    """What an agent asks for, and on whose behalf."""

    intent: Intent
    asked: Asked
    principal: str
    plan: tuple[Planned, ...] = ()

    @property
    def action(self) -> str:
        """The hash of it, as the agent asks for it."""
        return action_of(self.intent, self.principal, self.plan)

    def requests(
        self, intent: Intent, asked: Asked, before: Case | None, now_ns: int, *, why: str, agreed: str = "", origin: str = ""
    ) -> list[Request]:
        """What is put on record to ask for ``intent``: this question's own, or with other arguments. ``agreed``: who wanted those.

        Raises `Rejected` where those who may agree are too few.
        """
        action = action_of(intent, self.principal, self.plan)
        made: list[Request] = []
        for approval in asked.approvals:
            able = who_could(approval, self.principal) - {intent.agent, intent.run, ""}
            if len(able) < _need(approval):
                raise _nobody(intent, approval, able, action)
            request = Request(
                id=intent.id,
                action=action,
                charter=asked.charter,
                intent=intent,
                principal=self.principal,
                asked=approval.ask or (self.principal,),
                need=_need(approval),
                agreed=(agreed,) if agreed in able else (),
                number=before.newest.number + 1 if before is not None else 1,
                origin=origin,
                expires_ns=_expiry(approval, now_ns),
                holds=approval.on_timeout is OnTimeout.HOLD,
                escalate_to=approval.escalate_to,
                why="; ".join(filter(None, [_reason(approval, asked.why), why])),
                plan=self.plan,
                at_ns=now_ns,
            )
            made.append(request)
        return made


def who_could(approval: Approval, principal: str) -> set[str]:
    """Everybody who may decide at some time."""
    return {*(approval.ask or (principal,)), *approval.escalate_to}


def suffices(approval: Approval, agreed: Iterable[str], principal: str) -> bool:
    """Whether those who ``agreed`` are enough."""
    return len(who_could(approval, principal).intersection(agreed)) >= _need(approval)


def ruled(case: Case) -> Ruled:
    """How it is with ``case``, for whoever decided on it."""
    agreed = dict.fromkeys(who for one in case.requests for who in case.agreed(one))
    missing = max(one.need - len(case.agreed(one)) for one in case.requests)
    return Ruled(id=case.newest.id, state=case.state.value, agreed=tuple(agreed), missing=max(0, missing))


def asked_again(case: Case, now_ns: int) -> list[Request]:
    """The requests of ``case`` once more, where one that holds was not decided on in time: that one of those too whom it can be escalated
    to, for as long as it takes; the others as they were. Who has agreed need not again."""
    overdue = case.to_be_asked_again(now_ns)
    made: list[Request] = []
    for one in case.requests:
        late = one in overdue
        opened = late or case.escalated
        again = replace(
            one,
            number=one.number + 1,
            asked=tuple(dict.fromkeys((*one.asked, *one.escalate_to))) if opened else one.asked,
            escalate_to=() if opened else one.escalate_to,
            agreed=case.agreed(one),
        )
        made.append(replace(again, expires_ns=0, why=f"{one.why}; nobody decided in time", at_ns=now_ns) if late else again)
    return made


def no(case: Case) -> Rejected:
    """The error for a case in which somebody said no."""
    ruling, intent = case.rulings[-1], case.newest.intent
    kind = Terminated if ruling.verdict is RulingVerdict.TERMINATE else Rejected
    because = f": {ruling.why}" if ruling.why else ""
    end = "; this run does nothing any more" if kind is Terminated else ""
    return kind(
        f"`{intent.tool}` was not done: {ruling.who} said no{because}{end}",
        effect=intent.id,
        who=ruling.who,
        why=ruling.why,
        action=case.newest.action,
    )


def too_late(case: Case) -> Rejected:
    """The error for a case whose time is over."""
    intent = case.newest.intent
    lacking = "; ".join(
        f"{len(case.agreed(one))} of {one.need} agreed, asked were {', '.join((*one.asked, *one.escalate_to))}" for one in case.requests
    )
    return Rejected(
        f"`{intent.tool}` was not done: nobody decided in time ({lacking}). No answer is a no; ask again when somebody is there",
        effect=intent.id,
        who=case.everybody(),
        why="nobody decided in time",
        action=case.newest.action,
    )


def _nobody(intent: Intent, approval: Approval, able: set[str], action: str) -> Rejected:
    return Rejected(
        f"`{intent.tool}` was not done: {_need(approval)} have to agree, and the charter names {len(able)} who could; whoever wrote it may "
        f"add to `ask` of the approval {approval.name or approval.tool!r}",
        effect=intent.id,
        who=sorted(able),
        why="nobody can agree",
        action=action,
    )


def _need(approval: Approval) -> int:
    return max(1, approval.need)


def _expiry(approval: Approval, now_ns: int) -> int:
    span_ns = approval.within_s * 1e9 if approval.within_s > 0 else 0.0  # Also where it is no number.
    return min(now_ns + int(span_ns), FOREVER_NS) if span_ns < FOREVER_NS else FOREVER_NS


def _reason(approval: Approval, why: str) -> str:
    rule = approval.name or why or f'approvals for tool "{approval.tool}"'
    return f"{rule}: {approval.reason}" if approval.reason else rule
