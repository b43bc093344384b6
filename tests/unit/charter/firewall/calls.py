"""Calls for the tests of the firewall."""

from __future__ import annotations

from typing import Any

from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.ids import AgentId, RunId


def a_call(tool: str, effect: EffectClass = EffectClass.IRREVERSIBLE, /, **arguments: Any) -> Call:
    """A call as the gateway shows it."""
    return Call(Kind.TOOL, tool, effect, arguments, AgentId("agt"), "Agent", RunId("run"), "ada", 0)
