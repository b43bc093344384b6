"""The turnstile over random schedules: one alone or many together, everybody in the end, cancelled or not."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from bailiwick.agents.turnstile import Turnstile
from bailiwick.testing import run

VISITS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 8))), min_size=1, max_size=12
)


@given(visits=VISITS)
def test_an_exclusive_visitor_is_alone_and_nobody_waits_for_ever(visits: list[tuple[bool, int, int, int | None]]) -> None:
    async def scenario() -> None:
        turnstile = Turnstile()
        inside: list[bool] = []

        async def visit(exclusive: bool, arrives_s: int, stays_s: int) -> None:
            await asyncio.sleep(arrives_s)
            await turnstile.enter(exclusive=exclusive)
            try:
                inside.append(exclusive)
                assert inside == [True] or True not in inside
                await asyncio.sleep(stays_s)
            finally:
                inside.remove(exclusive)
                turnstile.leave()

        tasks: list[asyncio.Task[None]] = []
        for exclusive, arrives_s, stays_s, leaves_s in visits:
            task = asyncio.ensure_future(visit(exclusive, arrives_s, stays_s))
            tasks.append(task)
            if leaves_s is not None:
                asyncio.get_running_loop().call_later(leaves_s, task.cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if result is not None and not isinstance(result, asyncio.CancelledError)] == []
        await turnstile.enter(exclusive=True)  # All places were given back.

    run(scenario())
