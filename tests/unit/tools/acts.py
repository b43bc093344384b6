"""Tools that tests act with, and what they share. Worker processes import this module: it stays light."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

from bailiwick.effects import Cost, Fidelity, Intent, Kind, Obtained, Tool, tool
from bailiwick.ids import AgentId, EffectId, RunId


def intent(asked: Tool, *args: Any, agent: str = "agt_a", **kwargs: Any) -> Intent:
    """What an agent asks of ``asked``."""
    return Intent(
        id=EffectId("eff_1"),
        run=RunId("run_1"),
        agent=AgentId(agent),
        position="1",
        kind=Kind.TOOL,
        tool=asked.name,
        effect=asked.effect,
        arguments=asked.signature.pack(args, kwargs),
    )


class Precipitated(ValueError):
    """An error of a type of its own."""


@tool(effect="pure", where="process")
def where() -> int:
    """The process it runs in."""
    return os.getpid()


@tool(effect="read", where="process")
def hold(fifo: str) -> None:
    """Tells its process through ``fifo`` that it has begun, and never ends."""
    with open(fifo, "w") as pipe:
        pipe.write(str(os.getpid()))
    while True:
        signal.pause()


@tool(effect="read", where="process")
def hold_on(fifo: str) -> None:
    """As `hold`, and does not mind being asked to stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hold(fifo)


@tool(effect="irreversible", where="process")
def note(path: str, line: str) -> None:
    """Adds a line to a file."""
    with open(path, "a") as file:
        file.write(line + "\n")


@tool(effect="pure", where="process")
def leave(status: int) -> None:
    """Ends the process it runs in."""
    os._exit(status)


@tool(effect="pure", where="process")
def crash() -> None:
    """Reads where there is nothing."""
    ctypes.string_at(0)


@tool(effect="pure", where="process")
def kill_itself(signal_number: int) -> None:
    """Ends the process it runs in by a signal."""
    os.kill(os.getpid(), signal_number)


@tool(effect="pure", where="process")
def fork_and_die(fifo: str) -> None:
    """Dies, and leaves a child behind that holds everything open until something comes through ``fifo``."""
    if os.fork():
        os.kill(os.getpid(), signal.SIGKILL)
    with open(fifo) as pipe:
        pipe.read()
    os._exit(0)


@tool(effect="pure", where="process")
def precipitate(vessel: str) -> None:
    """Raises an error of its own type."""
    raise Precipitated(vessel, 7)


@tool(effect="pure", where="process")
def give_up() -> None:
    """Calls `sys.exit`."""
    sys.exit("enough")


@tool(effect="pure", where="process")
def speak(text: str) -> None:
    """Prints."""
    print(text)


@tool(effect="pure", where="process")
def fall_silent() -> None:
    """Closes one stream, and takes the other away."""
    print("last words")
    sys.stdout.close()
    sys.stderr = None  # type: ignore[assignment]


@tool(effect="pure", where="process")
def blob(size_bytes: int) -> bytes:
    """So many bytes."""
    return bytes(size_bytes)


@tool(effect="pure", where="process")
def weigh(data: bytes) -> int:
    """How many bytes came."""
    return len(data)


@tool(effect="pure", where="process")
def promise_a_number() -> int:
    """Breaks its promise."""
    return "many"  # type: ignore[return-value]


@tool(effect="pure", where="process")
def variable(name: str) -> str | None:
    """An environment variable."""
    return os.environ.get(name)


@tool(effect="pure", where="process")
def burn(steps: int) -> int:
    """Uses the processor."""
    return sum(range(steps))


@tool(effect="pure", where="process")
def estimate_energy() -> float:
    """Says how it came by its answer, and what it cost."""
    return Obtained(12.2, fidelity=Fidelity.APPROXIMATE, cost=Cost(usd=0.5, tokens=3, wall_s=60.0))  # type: ignore[return-value]


@tool(effect="pure", where="process")
def send_raw(data: bytes) -> None:
    """Writes past the worker, to its host."""
    os.write(int(sys.argv[2]), data)
    signal.pause()


if os.environ.get("ACTS_WITHOUT_MIRAGE") is None:

    @tool(effect="pure", where="process")
    def mirage() -> None:
        """There only where an environment variable is not."""
