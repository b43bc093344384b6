"""How a case is shown to those who decide on it: in a line of a table, and as a card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from bailiwick import codec
from bailiwick.cli.show import brief, print_table, printable, seconds, when
from bailiwick.effects import Effect, Intent, Planned, RulingVerdict
from bailiwick.gateway import Case, ruled

WIDTH = 2_000
ALIKE = 5
"""So many past decisions on the same tool are shown, the newest."""


def table(cases: Sequence[Case], now_ns: int) -> None:
    """One line for each, the oldest first."""
    columns = ("id", "age", "expires", "what", "why", "who asks", "for", "agreed")
    print_table(columns, [_row(case, now_ns) for case in cases], empty="nothing waits for anybody")


def as_json(case: Case, now_ns: int) -> dict[str, Any]:
    """For programs: what is asked, of whom, until when, and what was said."""
    newest, intent = case.newest, case.newest.intent
    return {
        "id": newest.id,
        "state": case.state,
        "tool": intent.tool,
        "effect": intent.effect,
        "target": intent.target,
        "arguments": given(intent),
        "agent": intent.agent,
        "run": intent.run,
        "position": intent.position,
        "principal": newest.principal,
        "charter": newest.charter,
        "action": newest.action,
        "verified": case.is_whole,
        "number": newest.number,
        "asked_ns": newest.at_ns,
        "age_s": (now_ns - newest.at_ns) / 1e9,
        "expires_ns": case.expires_ns or None,
        "expired": case.expired(now_ns),
        "plan": [_planned(entry) for entry in newest.plan],
        "requests": [
            {
                "asked": one.asked,
                "escalate_to": one.escalate_to,
                "need": one.need,
                "agreed": case.agreed(one),
                "expires_ns": one.expires_ns or None,
                "on_timeout": "hold" if one.holds else "reject",
                "why": one.why,
            }
            for one in case.requests
        ],
        "rulings": [
            {"who": said.who, "verdict": said.verdict, "why": said.why or None, "at_ns": said.at_ns, "arguments": _decoded(said.arguments)}
            for said in case.rulings
        ],
    }


def card(case: Case, past: Iterable[Effect], now_ns: int) -> Iterator[tuple[str, str]]:
    """Names and values, in the order in which somebody needs them who decides."""
    newest, intent = case.newest, case.newest.intent
    yield "id", newest.id
    yield "what", f"{intent.tool}, {intent.effect}" + (f", at {intent.target}" if intent.target else "")
    for name, value in given(intent).items():
        yield "argument", f"{name} = {brief(value, WIDTH)}"
    for entry in newest.plan:
        yield "planned", _planned_line(entry)
    if not case.is_whole:
        yield "WARNING", "the arguments shown are not those that the request names: it cannot be approved"
    if newest.origin:
        yield "note", "a person changed the arguments; the agent asked for something else"
    yield "who asks", f"{intent.agent} in {intent.run} at {intent.position}"
    yield "for", newest.principal
    for one in case.requests:
        agreed = case.agreed(one)
        yield "why", one.why
        yield "asked", f"{', '.join(one.asked)}; {one.need} must agree" + (f", {', '.join(agreed)} did" if agreed else "")
        if one.escalate_to:
            yield (
                "above",
                f"{', '.join(one.escalate_to)}" + ("" if case.escalated else ", once half of the time has passed or it is passed on"),
            )
    for said in case.rulings:
        yield "said", f"{said.who}: {said.verdict}" + (f" ({said.why})" if said.why else "")
    yield "since", f"{when(newest.at_ns)} UTC, {seconds((now_ns - newest.at_ns) / 1e9)} ago"
    yield "then", left(case, now_ns)
    yield "state", case.state.value
    yield "charter", newest.charter
    yield "action", newest.action
    yield from _alike(intent, past)


def line(name: str, value: str) -> str:
    """One line of a card. Nothing in ``value`` can steer a terminal, or pass for another line."""
    return f"{name:<10} {printable(value)}".replace("\n", "\\n")


def left(case: Case, now_ns: int) -> str:
    """What happens if nobody decides, and when."""
    if case.expired(now_ns):
        return "its time is over: it will be rejected"
    if case.expires_ns:
        return f"at {when(case.expires_ns)} UTC this will be rejected, in {seconds((case.expires_ns - now_ns) / 1e9)}"
    later = min((one.expires_ns for one in case.requests if one.expires_ns), default=0)
    if later > now_ns:
        return f"at {when(later)} UTC it will be asked of those above as well, and waits on"
    return "it waits until somebody decides"


def given(intent: Intent) -> dict[str, Any]:
    """The arguments by name; none if there were none, or they were erased."""
    return named(intent.arguments)


def named(data: bytes) -> dict[str, Any]:
    """Encoded arguments by name."""
    found = _decoded(data)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _row(case: Case, now_ns: int) -> tuple[str, ...]:
    newest, intent = case.newest, case.newest.intent
    call = ", ".join(f"{name}={brief(value, 24)}" for name, value in given(intent).items())
    until = seconds((case.expires_ns - now_ns) / 1e9) if case.expires_ns > now_ns else "over" if case.expires_ns else "never"
    agreed = ruled(case)
    need = max(one.need for one in case.requests)
    done = case.state.value if case.state != "waiting" else f"{need - agreed.missing} of {need}"
    plan = f"a plan of {len(newest.plan)} calls: " if newest.plan else ""
    return (
        newest.id,
        seconds((now_ns - newest.at_ns) / 1e9),
        until,
        f"{plan}{printable(intent.tool)}({call})",
        "; ".join(one.why for one in case.requests),
        intent.agent,
        newest.principal,
        done,
    )


def _alike(intent: Intent, past: Iterable[Effect]) -> Iterator[tuple[str, str]]:
    """What was decided on other calls of the tool, and in what they differ from this one."""
    decided = [effect for effect in past if effect.rulings and effect.intent.tool == intent.tool and effect.intent.id != intent.id]
    mine = given(intent)
    for effect in decided[-ALIKE:][::-1]:
        last = effect.rulings[-1]
        theirs = named(last.arguments) if last.verdict is RulingVerdict.MODIFY else given(effect.requests[-1].intent)
        names = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
        there = ", ".join(f"{name} = {brief(theirs.get(name), 60)}" for name in names) or "the same arguments"
        why = f" ({last.why})" if last.why else ""
        yield "before", f"{when(last.at_ns)} {last.who}: {last.verdict}{why}, with {there}; it is {effect.state}"


def _planned(entry: Planned) -> dict[str, Any]:
    return {"tool": entry.tool, "digest": entry.digest or None, "given": _decoded(entry.given), "times": entry.times}


def _planned_line(entry: Planned) -> str:
    how = f"arguments with digest {entry.digest}" if entry.digest else brief(_decoded(entry.given), 400) if entry.given else "any arguments"
    return f"{entry.tool}, {entry.times} times at most, with {how}"


def _decoded(data: bytes) -> object:
    found: object = codec.decode(data) if data else None
    return found
