"""Tools that count what they did, for tests of what may be done."""

from __future__ import annotations

from collections import Counter

import pytest

from bailiwick import tool
from bailiwick.effects import Cost

done: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def forget() -> None:
    done.clear()


@tool(effect="irreversible", estimate=Cost(usd=1))
async def pay(to: str, usd: int) -> str:
    done[f"{to} {usd}"] += 1
    return f"paid {usd} to {to}"


@tool(effect="read")
async def look(where: str) -> str:
    done[where] += 1
    return where
