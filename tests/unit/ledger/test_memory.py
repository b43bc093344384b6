from __future__ import annotations

import sys
import tracemalloc

from bailiwick.codec import encode
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.ledger_records import intent, outcome


def test_an_entry_costs_its_body_and_at_most_300_bytes() -> None:
    """An effect's two entries share the slots of two dictionaries; half of what a growing table has is not used yet."""
    intents = [intent(number) for number in range(3_000)]
    outcomes = [outcome(number) for number in range(3_000)]
    bodies_bytes = sum(sys.getsizeof(encode(record)) for record in intents + outcomes)
    ledger = MemoryLedger()
    tracemalloc.start()
    try:
        for asked, answered in zip(intents, outcomes, strict=True):
            ledger.append(asked)
            ledger.append(answered)
        used_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (used_bytes - bodies_bytes) / 6_000 < 300
