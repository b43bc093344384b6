"""Those who ask: the programming model, runs and their replay (invariant 2)."""

from bailiwick.agents.acting import Acting
from bailiwick.agents.agent import Agent, Receipt
from bailiwick.agents.boundaries import STEP_EFFECTS, steps
from bailiwick.agents.code import digest_of
from bailiwick.agents.declare import action, event, loop, timer
from bailiwick.agents.handle import Handle
from bailiwick.agents.host import Host
from bailiwick.agents.run import Cursor, Run
from bailiwick.agents.saga import Saga
from bailiwick.agents.taking_back import Undone, take_back_each

__all__ = [
    "STEP_EFFECTS",
    "Acting",
    "Agent",
    "Cursor",
    "Handle",
    "Host",
    "Receipt",
    "Run",
    "Saga",
    "Undone",
    "action",
    "digest_of",
    "event",
    "loop",
    "steps",
    "take_back_each",
    "timer",
]
