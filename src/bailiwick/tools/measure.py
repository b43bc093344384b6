"""What a call cost, and what the tool says about it."""

from __future__ import annotations

import resource
from typing import cast

import msgspec

from bailiwick.effects import Cost, Obtained, Result, Signature

_THREAD: int | None = getattr(resource, "RUSAGE_THREAD", None)  # Linux has it, other systems may not.


def thread_cpu_s() -> float:
    """Seconds of CPU the calling thread has used so far; always 0 on systems that do not count by thread."""
    return 0.0 if _THREAD is None else _used(_THREAD)


def process_cpu_s() -> float:
    """Seconds of CPU this process has used so far, in all its threads and in those of its children that have ended."""
    return _used(resource.RUSAGE_SELF) + _used(resource.RUSAGE_CHILDREN)


def result_of(value: object, signature: Signature, *, cpu_s: float = 0.0, wall_s: float = 0.0) -> Result:
    """``value`` as a tool returned it, packed. Raises `Failed` if it is not what the tool promised.

    Where the tool states its CPU or wall time in an `Obtained`, that stands instead of what was measured here: the
    work may have been done elsewhere.
    """
    if not isinstance(value, Obtained):
        return Result(value=signature.pack_result(value), cost=Cost(cpu_s=cpu_s, wall_s=wall_s))
    obtained = cast("Obtained[object]", value)
    stated = obtained.cost
    return Result(
        value=signature.pack_result(obtained.value),
        fidelity=obtained.fidelity,
        cost=msgspec.structs.replace(stated, cpu_s=stated.cpu_s or cpu_s, wall_s=stated.wall_s or wall_s),
    )


def _used(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime
