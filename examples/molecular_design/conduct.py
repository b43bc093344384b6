"""One campaign under a bailiwick: started or resumed, watched, and summed up."""

from __future__ import annotations

import asyncio
import logging
from typing import TextIO, cast

import msgspec

from bailiwick.bailiff import Settings, arguments_of, last_root, open_bailiwick, read_ledger
from bailiwick.effects import Intent
from bailiwick.ids import RunId, root_key
from molecular_design.campaign import CHARTER, NAME, budget_of, main
from molecular_design.progress import Tally, watch
from molecular_design.records import Campaign, Summary

_log = logging.getLogger(__name__)

SPARE_WORKERS = 2
"""Worker processes besides those of the Assays: the Verifier's, and one for the pool and the calibration."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign that has ended."""

    run: RunId
    effects: int
    """How many effects it had, as the record says."""
    summary: Summary


async def start(settings: Settings, campaign: Campaign, watcher: TextIO) -> Ended:
    """Run a new campaign to its end. Raises `LedgerUnavailable`."""
    return await _conduct(settings, campaign, None, watcher)


async def resume(settings: Settings, run: str | None, watcher: TextIO) -> Ended:
    """Go on with ``run``, or with the newest campaign on record. Raises `NotFound`."""
    root = last_root(read_ledger(settings), NAME, RunId(run) if run else None)
    return await _conduct(settings, msgspec.convert(arguments_of(root)["campaign"], Campaign), root.run, watcher)


async def _conduct(settings: Settings, campaign: Campaign, run: RunId | None, watcher: TextIO) -> Ended:
    limits = {"charter": CHARTER, "budget": budget_of(campaign), "workers": campaign.workers + SPARE_WORKERS}
    async with open_bailiwick(msgspec.structs.replace(settings, **limits)) as bw:
        tally = Tally(campaign.budget, root=run, read_until=0 if run else bw.record.until())
        watching = asyncio.create_task(watch(bw, tally, watcher))
        try:
            summary = await (bw.resume(main, name=NAME, run=run) if run else bw.run(main, campaign, name=NAME))
        finally:
            watching.cancel()
            (ended,) = await asyncio.gather(watching, return_exceptions=True)
            if isinstance(ended, Exception):  # Watching never stops the watched.
                _log.warning("the progress display failed: %s", ended, extra={"event": "display_failed"})
        run = run or cast(RunId, bw.record.newest(NAME))  # It was begun above.
        intents = (record for entry in bw.record.entries() if isinstance(record := entry.record, Intent))
        return Ended(run=run, effects=sum(root_key(intent.id) == root_key(run) for intent in intents), summary=summary)
