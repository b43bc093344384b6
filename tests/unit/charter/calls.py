"""Calls to decide on, and the few words tests need for what comes of them."""

from __future__ import annotations

from typing import Any

from bailiwick.charter import Answer, Charter, Decision, Rule, compile_charter
from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.ids import AgentId, RunId

EVERYTHING = (Rule(),)
ALLOW, DENY, ASK = Answer.ALLOW, Answer.DENY, Answer.ASK


def call(tool: str = "pay", effect: EffectClass = EffectClass.IRREVERSIBLE, /, kind: Kind = Kind.TOOL, **arguments: Any) -> Call:
    """A call of ``tool`` by an agent of class ``Buyer``, on behalf of Ann."""
    return Call(kind, tool, effect, arguments, AgentId("agt_1"), "Buyer", RunId("run_1"), "ann", 1)


def labelled(made: Call, **labels: str) -> Call:
    """``made``, with data in these arguments from elsewhere."""
    return made._replace(labels={name: frozenset({label}) for name, label in labels.items()})


def decide(charter: Charter, made: Call) -> Decision:
    """What ``charter`` alone says of a call."""
    return compile_charter(charter).decide(made)


def denying(when: str, tool: str = "*") -> Charter:
    """Everything is allowed but that."""
    return Charter(allow=EVERYTHING, deny=(Rule(tool=tool, when=when),))
