"""The same with LangGraph and its checkpointer for SQLite, which sets WAL and leaves ``synchronous`` at FULL; run by the interpreter of its
own environment.

``peer_langgraph.py speed FILE``: nodes a second, of trivial nodes with a result of 200 bytes, printed as one JSON object.
``peer_langgraph.py job FILE ADDRESS EFFECTS``: a graph that runs through its node so many times, each one request to a witness; started
again, it goes on.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import statistics
import sys
import time
from typing import Any, TypedDict

import peer_witness
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

RESULT = "x" * 200
STEPS = 200
WORKFLOWS = 50
STEPS_EACH = 20
ROUNDS = 3
DURABILITY = "sync"


class State(TypedDict):
    """What is checkpointed after every node: the last result only, so that it does not grow."""

    number: int
    steps: int
    result: str


class Job(TypedDict):
    """What is checkpointed after every effect."""

    number: int
    effects: int
    address: str


def node(state: State) -> dict[str, Any]:
    """Does nothing."""
    return {"number": state["number"] + 1, "result": RESULT}


async def async_node(state: State) -> dict[str, Any]:
    """Does nothing."""
    return node(state)


def request(state: Job) -> dict[str, Any]:
    """An effect on the world."""
    peer_witness.perform(state["address"], f"effect {state['number']}")
    return {"number": state["number"] + 1}


def loop(kind: Any, act: Any, goal: str, saver: Any) -> Any:
    """A graph that comes through its node until ``number`` is ``goal``."""
    graph = StateGraph(kind)
    graph.add_node("node", act)
    graph.add_edge(START, "node")
    graph.add_conditional_edges("node", lambda state: "node" if state["number"] < state[goal] else END, ["node", END])
    return graph.compile(checkpointer=saver)


def config(thread: str) -> dict[str, Any]:
    """Which run, and no limit that matters."""
    return {"configurable": {"thread_id": thread}, "recursion_limit": 10_000}


def sequential(graph: Any, thread: str) -> float:
    """Nodes a second."""
    start_ns = time.perf_counter_ns()
    graph.invoke({"number": 0, "steps": STEPS, "result": ""}, config(thread), durability=DURABILITY)
    return STEPS / (time.perf_counter_ns() - start_ns) * 1e9


async def fifty(file: str) -> float:
    """Nodes a second, when fifty runs go on in one event loop."""
    async with AsyncSqliteSaver.from_conn_string(file) as saver:
        graph = loop(State, async_node, "steps", saver)
        start = {"number": 0, "steps": STEPS_EACH, "result": ""}
        start_ns = time.perf_counter_ns()
        now = time.time_ns()
        await asyncio.gather(*(graph.ainvoke(start, config(f"{now} {each}"), durability=DURABILITY) for each in range(WORKFLOWS)))
        return WORKFLOWS * STEPS_EACH / (time.perf_counter_ns() - start_ns) * 1e9


def speed(file: str) -> dict[str, object]:
    """Medians over rounds."""
    with SqliteSaver.from_conn_string(file) as saver:
        graph = loop(State, node, "steps", saver)
        sequential(graph, "warm up")
        one = [sequential(graph, f"round {each}") for each in range(ROUNDS)]
    return {
        "version": importlib.metadata.version("langgraph"),
        "sequential_per_s": statistics.median(one),
        "fifty_per_s": statistics.median(asyncio.run(fifty(file)) for _ in range(ROUNDS)),
    }


def job(file: str, address: str, effects: str) -> int:
    """Begin, or go on with what is there."""
    with SqliteSaver.from_conn_string(file) as saver:
        graph = loop(Job, request, "effects", saver)
        begun = graph.get_state(config("job")).values
        start = None if begun else {"number": 0, "effects": int(effects), "address": address}
        return graph.invoke(start, config("job"), durability=DURABILITY)["number"]


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    print(json.dumps(speed(*words) if what == "speed" else job(*words)))
