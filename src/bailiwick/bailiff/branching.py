"""A branch: the past of a run up to one decision, that decision changed, and the run going on from there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from bailiwick import codec
from bailiwick.bailiff.recording import Recording, entry_at, question
from bailiwick.bailiff.records import Branch, Change
from bailiwick.effects import Effect, Fidelity, Intent, Kind, Outcome, Record, Seal, Settlement, Settler, Status, Tool
from bailiwick.errors import BadInput, Refused
from bailiwick.ids import AgentId, BranchId, effect_id, new_branch_id
from bailiwick.ledger import BranchLedger, Entry, Ledger

BRANCH = AgentId("agt_branch")
"""Under this name the first entry of a branch seals what the branch is."""

Changed = tuple[Change, Effect]


def read_change(recording: Recording, text: str) -> Changed:
    """The change that a person typed, as ``POSITION=VALUE`` or ``RUN:POSITION=VALUE``, and the effect it is of.

    Raises `BadInput` for what is no change, or for a value that the tool could not return; `NotFound` for a position that is not on
    record; `Refused` for an effect that no tool acted on.
    """
    where, equals, value = text.partition("=")
    if not equals or not where:
        raise BadInput(f'--change {text}: write POSITION=VALUE or RUN:POSITION=VALUE, with the value as JSON, as in 3=7 or 2/1="no"')
    run, position = where.split(":", 1) if where.startswith("run_") and ":" in where else (recording.run, where)
    effect = recording.at(run, position)
    intent = effect.intent
    if intent.kind is not Kind.TOOL:
        raise Refused(
            f"position {position} of run {run} is `{intent.tool}`, {_article(intent.kind)}: what comes of it follows from the effects "
            "inside. Change what a tool or a model said there"
        )
    if effect.outcome is None:
        raise Refused(f"position {position} of run {run}, `{question(intent)}`, has no outcome that could be changed")
    return Change(effect=intent.id, run=intent.run, position=position, value=encoded(intent.tool, value)), effect


def fork(recording: Recording, changes: Sequence[Changed], *, seals_until: int | None, live: bool, who: str, at_ns: int) -> Branch:
    """A branch that leaves the record just before the first of ``changes`` had come of its effect."""
    base_seq = min(effect.outcome_seq for _, effect in changes) - 1
    last = entry_at(recording.ledger, base_seq)
    return Branch(
        id=new_branch_id(at_ns),
        run=recording.root.intent.run,
        name=recording.name,
        base_seq=base_seq,
        base_hash=last.hash if last is not None else b"",
        seals_until=base_seq if seals_until is None else min(seals_until, base_seq),
        changes=tuple(change for change, _ in changes),
        live=live,
        who=who,
        at_ns=at_ns,
    )


class Fork(BranchLedger):
    """The record of ``branch``. Opened for the first time, it begins with what the branch is, and what was changed where it leaves."""

    def __init__(self, recording: Recording, branch: Branch, own: Ledger) -> None:
        super().__init__(recording.ledger, branch.base_seq, own, seals_until=branch.seals_until)
        self._branch = branch
        self._changes = {change.effect: change for change in branch.changes}
        if own.head().seq:
            return
        own.append(Seal(agent=BRANCH, state=codec.encode(branch), at_ns=branch.at_ns))
        for effect in recording.effects.values():
            if effect.intent.kind is not Kind.TOOL or effect.outcome is None or not effect.seq <= branch.base_seq < effect.outcome_seq:
                continue
            if effect.intent.id in self._changes:
                self.append(self._changed(effect.outcome))
            elif branch.live:  # It was asked before the branch left, and happened once.
                self.append(effect.outcome)

    def append(self, *records: Record) -> int:
        return super().append(*(self._marked(record) for record in records))

    def _marked(self, record: Record) -> Record:
        """Effects of a live branch have idempotency keys of their own; outcomes that were changed say by whom."""
        match record:
            case Intent(kind=Kind.TOOL) if self._branch.live:
                return keyed(record, self._branch.id)
            case Outcome(status=Status.DONE, id=effect) if effect in self._changes:
                return self._changed(record)
            case _:
                return record

    def _changed(self, outcome: Outcome) -> Outcome:
        return changed(self._branch, self._changes[outcome.id], outcome)


def changed(branch: Branch, change: Change, outcome: Outcome) -> Outcome:
    """What ``outcome`` is on ``branch``."""
    settlement = Settlement(by=Settler.PERSON, who=branch.who, why=f"changed on branch {branch.id}")
    return replace(outcome, status=Status.DONE, value=change.value, failure=None, fidelity=Fidelity.SIMULATED, settlement=settlement)


def keyed(intent: Intent, branch: BranchId) -> Intent:
    """``intent`` with an idempotency key that belongs to ``branch``, so that the other side does not take it for that of the base."""
    return intent if intent.key else replace(intent, key=effect_id(branch, intent.id))


def branch_of(first: Entry) -> Branch:
    """The branch whose record begins with ``first``. Raises `BadInput` if none does."""
    record = first.record
    if not isinstance(record, Seal) or record.agent != BRANCH:
        raise BadInput("this is not the record of a branch")
    return codec.decode(record.state, Branch)


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One effect in which a branch and its base are not alike."""

    run: str
    position: str
    what: str
    """``changed``, ``gone``, ``new``, ``other question`` or ``other outcome``."""
    then: str = ""
    now: str = ""


def compare(then: Recording, now: Recording, branch: Branch) -> list[Part]:
    """Where ``now`` is not what was ``then``: effects of tools in the order of the record, and the root at the end."""
    mine = {change.effect: change for change in branch.changes}
    parts: list[Part] = []
    for key in dict.fromkeys((*then.effects, *now.effects)):
        before, after = then.effects.get(key), now.effects.get(key)
        found = before or after
        if found is None or found.intent.kind not in (Kind.TOOL, Kind.RUN) or (before and 0 < before.outcome_seq <= branch.base_seq):
            continue
        if key in mine and after is None and before is not None and before.outcome is not None:  # Read, so not on the branch's own record.
            after = Effect(seq=before.seq, intent=before.intent, outcome=changed(branch, mine[key], before.outcome))
        what = "changed" if key in mine else _difference(before, after)
        if what:
            place = found.intent
            parts.append(Part(run=place.run, position=place.position, what=what, then=shown(before), now=shown(after)))
    return sorted(parts, key=lambda part: not part.position)


def shown(effect: Effect | None) -> str:
    """What was asked and what came of it, for people."""
    if effect is None:
        return ""
    outcome = effect.outcome
    came = "open" if outcome is None else codec.to_json(codec.decode(outcome.value)) if outcome.value else outcome.status.value
    return f"{question(effect.intent, 120)} → {came if len(came) <= 120 else f'{came[:119]}…'}"


def _difference(before: Effect | None, after: Effect | None) -> str:
    if before is None or after is None:
        return "new" if before is None else "gone"
    if not after.intent.same_question(before.intent):
        return "other question"
    then, now = before.outcome, after.outcome
    alike = (then and (then.status, then.value)) == (now and (now.status, now.value))
    return "" if alike else "other outcome"


def read_assumption(text: str) -> tuple[str, bytes]:
    """The tool and the value that a person typed as ``TOOL=VALUE``. Raises `BadInput`."""
    tool, equals, value = text.partition("=")
    if not equals or not tool:
        raise BadInput(f"--assume {text}: write TOOL=VALUE, with the value as JSON, as in send_mail=null")
    return tool, encoded(tool, value)


def encoded(tool: str, text: str) -> bytes:
    """A value, given as JSON, as ``tool`` would have returned it. Raises `BadInput`."""
    try:
        value = codec.encode(msgspec.json.decode(text))
    except msgspec.DecodeError as error:
        raise BadInput(f"the value {text} is not JSON ({error}); a text wants quotation marks: '\"{text}\"'") from None
    known = tool_named(tool)
    if known is None:
        return value
    try:
        return known.signature.pack_result(known.signature.unpack_result(value))
    except BadInput as error:
        raise BadInput(f"`{tool}` could not return {text}: {error}") from None


def tool_named(name: str) -> Tool | None:
    """The tool of this name in the modules that are imported; None if there is none, or more than one."""
    found: set[Tool] = set()
    for module in list(sys.modules.values()):
        held: dict[str, Any] = getattr(module, "__dict__", {})
        found.update(value for value in list(held.values()) if isinstance(value, Tool) and value.name == name)
    return found.pop() if len(found) == 1 else None


def _article(kind: Kind) -> str:
    return {Kind.ASK: "an ask", Kind.SPAWN: "a launch", Kind.RUN: "a run"}.get(kind, f"of kind {kind}")
