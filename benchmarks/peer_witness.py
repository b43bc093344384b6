"""How the peers' jobs ask the witness: one line of JSON there, one back, on a connection of its own. See `bailiwick.testing.Witness`."""

from __future__ import annotations

import json
import socket


def perform(address: str, what: str) -> int:
    """Have it happen, and return its serial number."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        line.sendall(json.dumps({"perform": what, "key": "", "saw": None}).encode() + b"\n")
        with line.makefile() as said:
            return json.loads(said.readline())
