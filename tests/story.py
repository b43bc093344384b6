"""A record made by hand: what happened, told effect by effect, for tests of what is shown of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bailiwick.codec import encode
from bailiwick.effects import (
    FREE,
    Attempt,
    Cost,
    Effect,
    EffectClass,
    Failure,
    Fidelity,
    Intent,
    Kind,
    Outcome,
    Record,
    Seal,
    Settlement,
    Settler,
    Status,
    fold,
)
from bailiwick.ids import AgentId, EffectId, RunId, agent_of, ask_of, effect_id, run_of
from bailiwick.ledger.backends.sqlite import SqliteLedger

START_NS = 1_767_225_600_000_000_000
"""2026-01-01 00:00:00 UTC."""
MS = 1_000_000


class Story:
    """Each method puts something on record, 1 ms after what came before, and returns its id."""

    def __init__(self, number: int = 0) -> None:
        self.records: list[Record] = []
        self.run = RunId(f"run_{0x19B00000000 + number:012x}{'5a' * 10}")
        self.root = ask_of(self.run)
        self.agent = agent_of(self.root)
        self._agents: dict[RunId, AgentId] = {self.run: self.agent}
        self._asked: dict[RunId, int] = {}

    @property
    def now_ns(self) -> int:
        return START_NS + len(self.records) * MS

    def begin(self, name: str = "run:/lab/lab.py", principal: str = "ada@analytical", charter: str = "", **arguments: Any) -> EffectId:
        self.records.append(
            Intent(
                id=self.root,
                run=self.run,
                agent=self.agent,
                position="",
                kind=Kind.RUN,
                tool=name,
                effect=EffectClass.IDEMPOTENT,
                arguments=encode(arguments),
                at_ns=self.now_ns,
                principal=principal,
                charter=charter,
                grant="grt_019b00000000" + "07" * 10,
            )
        )
        return self.root

    def ask(
        self, tool: str, inside: EffectId | None = None, *, to: EffectId | None = None, of: Sequence[EffectId] = (), **arguments: Any
    ) -> EffectId:
        """An action of the agent that ``to`` launched is called, with what the effects ``of`` returned; `end` answers."""
        target = agent_of(to) if to is not None else self.agent
        effect = self._intend(Kind.ASK, tool, EffectClass.IDEMPOTENT, inside, of, arguments, target=target)
        self._agents[run_of(effect)] = target
        return effect

    def launch(self, kind: str, name: str, inside: EffectId | None = None) -> EffectId:
        effect = self._intend(Kind.SPAWN, kind, EffectClass.IDEMPOTENT, inside, (), {"name": name})
        self.end(effect)
        return effect

    def use(
        self,
        tool: str,
        inside: EffectId | None = None,
        *,
        value: Any = None,
        kind: EffectClass = EffectClass.PURE,
        fidelity: Fidelity = Fidelity.EXACT,
        cost: Cost = FREE,
        of: Sequence[EffectId] = (),
        rule: str = "",
        is_open: bool = False,
        run: RunId | None = None,
        by: AgentId | None = None,
        **arguments: Any,
    ) -> EffectId:
        """A tool is called with what the effects ``of`` returned, and answers, unless it ``is_open``."""
        effect = self._intend(Kind.TOOL, tool, kind, inside, of, arguments, rule=rule, run=run, by=by)
        if not is_open:
            self.end(effect, value, fidelity=fidelity, cost=cost)
        return effect

    def undo(self, effect: EffectId, *, nth: int = 1, status: Status | None = Status.DONE) -> EffectId:
        undo = effect_id(effect, f"undo/{nth}")
        self.records.append(
            Intent(
                id=undo,
                run=self.run,
                agent=self.agent,
                position=f"undo/{nth}",
                kind=Kind.UNDO,
                tool="undo",
                effect=EffectClass.IDEMPOTENT,
                undoes=effect,
                caused_by=(effect,),
                at_ns=self.now_ns,
            )
        )
        if status is not None:
            self.end(undo, status=status)
        return undo

    def end(
        self,
        effect: EffectId,
        value: Any = None,
        *,
        status: Status = Status.DONE,
        fidelity: Fidelity = Fidelity.EXACT,
        cost: Cost = FREE,
        settlement: Settlement | None = None,
    ) -> None:
        failure = Failure(code="tool_failed", type="builtins:ValueError", message=str(value)) if status is Status.FAILED else None
        self.records.append(
            Outcome(
                id=effect,
                status=status,
                value=encode(value) if status is Status.DONE else b"",
                failure=failure,
                fidelity=fidelity,
                cost=cost,
                started_ns=self.now_ns - MS,
                ended_ns=self.now_ns,
                settlement=settlement,
            )
        )

    def again(self, effect: EffectId, number: int, *, begun: bool = True, failure: str = "", by: Settler = Settler.RETRY) -> None:
        failed = Failure(code="failed", type="builtins:OSError", message=failure) if failure else None
        self.records.append(Attempt(id=effect, number=number, begun=begun, failure=failed, settlement=Settlement(by=by), at_ns=self.now_ns))

    def seal(self, agent: AgentId) -> None:
        self.records.append(Seal(agent=agent, state=encode({"round": 3}), at_ns=self.now_ns))

    def folded(self) -> dict[str, Effect]:
        return fold(enumerate(self.records, 1))

    def keep(self, home: Path) -> None:
        """Put it at the end of the record of ``home``."""

        async def write() -> None:
            ledger = SqliteLedger.open(home / "ledger.sqlite")
            for record in self.records:
                ledger.append(record)
            await ledger.close()

        asyncio.run(write())

    def _intend(
        self,
        kind: Kind,
        tool: str,
        effect: EffectClass,
        inside: EffectId | None,
        of: Sequence[EffectId],
        arguments: dict[str, Any],
        *,
        target: AgentId | None = None,
        rule: str = "",
        run: RunId | None = None,
        by: AgentId | None = None,
    ) -> EffectId:
        run = run or (run_of(inside) if inside is not None else self.run)
        self._asked[run] = number = self._asked.get(run, 0) + 1
        intent = Intent(
            id=effect_id(run, str(number)),
            run=run,
            agent=by or self._agents[run],
            position=str(number),
            kind=kind,
            tool=tool,
            effect=effect,
            arguments=encode(arguments),
            target=target,
            at_ns=self.now_ns,
            caused_by=tuple(of),
            rule=rule,
        )
        self.records.append(intent)
        return intent.id
