"""Those who ask: the programming model, runs and their replay (invariant 2)."""

from bailiwick.agents.agent import Agent, Receipt
from bailiwick.agents.declare import action, event, loop, timer
from bailiwick.agents.handle import Handle
from bailiwick.agents.host import Host
from bailiwick.agents.run import Run

__all__ = ["Agent", "Handle", "Host", "Receipt", "Run", "action", "event", "loop", "timer"]
