"""Running asynchronous work under a command: Ctrl-C and SIGTERM end it in good order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from bailiwick.cli.app import INTERRUPTED

T = TypeVar("T")


def drive(work: Coroutine[Any, Any, T], resume_with: str) -> T:
    """Run ``work`` to its end and return its result. Interrupted, close everything, say how to go on, and leave with 130."""

    async def supervised() -> T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return asyncio.run(supervised())
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo(f"bailiwick: interrupted; nothing on record is lost. Go on with: {resume_with}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
