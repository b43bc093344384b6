"""The order in which things stand on the record, kept while they are played."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping

from bailiwick.bailiff.recorded_time import RecordedLoop

TOGETHER_NS = 10_000_000
"""Entries less than this apart may have been made within a few turns of the event loop. An answer takes a turn or two to whoever asked,
so that what stands behind it on the record by less than this was there first."""

LATE_NS = 50_000_000
"""A timer of then may have been set, and have fired, later than the entries before it say, by the time that code took to run. Where
nothing that it led to stands before an entry, it may have fired after it."""

_NEVER = 2**62


class Score:
    """The numbers and moments of entries, in order. Each is played after those before it, or else when nothing can go on without it."""

    def __init__(self, loop: RecordedLoop, moments: Mapping[int, int]) -> None:
        self._loop = loop
        loop.tolerance = lambda rank: LATE_NS if rank == 2 * self._due() else 0
        self._moments = dict(sorted(moments.items()))
        self._seqs = list(self._moments)
        self._next = 0
        self._played: set[int] = set()
        self._turns: dict[tuple[int, str], list[asyncio.Future[None]]] = {}

    def played(self, seq: int) -> None:
        """The entry ``seq`` has come about again."""
        if seq in self._moments:
            self._loop.reach(self._moments[seq])
            self._played.add(seq)
            self._call_next()

    async def question(self, seq: int) -> None:
        """Return when ``seq`` may be asked."""
        if seq in self._moments and seq not in self._played:
            if self._due() != seq:
                await self._turn(seq, "question", self._moments[seq])
            self.played(seq)

    async def answer(self, seq: int) -> None:
        """Return when ``seq`` may be answered; never at once."""
        if seq in self._moments and seq not in self._played:
            await self._turn(seq, "answer", self._moments[seq])
            self.played(seq)

    async def delivery(self, seq: int, followed_by: int) -> None:
        """Return when the answer ``seq`` may reach whoever asked: before ``followed_by``, what was asked next in the same run (0: nothing),
        and before what came noticeably later."""
        if seq not in self._moments:
            return
        late = self._moments[seq] + TOGETHER_NS
        until = bisect_right(self._seqs, seq)
        while until < len(self._seqs) and self._seqs[until] != followed_by and self._moments[self._seqs[until]] <= late:
            until += 1
        rank = self._seqs[until] if until < len(self._seqs) else _NEVER
        if self._due() < rank:
            await self._turn(rank, "delivery", self._moments[seq])

    async def _turn(self, seq: int, what: str, at_ns: int) -> None:
        turn = self._loop.create_future()
        self._turns.setdefault((seq, what), []).append(turn)
        # Of the three that may wait for one number, what is delivered comes first.
        self._loop.enqueue(turn, 2 * seq - (what == "delivery"), at_ns)
        self._call_next()
        await turn
        if what != "delivery":
            while self._next < len(self._seqs) and self._seqs[self._next] < seq:
                self._next += 1  # What has not come by now does not come.

    def _due(self) -> int:
        """The number of what is played next."""
        while self._next < len(self._seqs) and self._seqs[self._next] in self._played:
            self._next += 1
        return self._seqs[self._next] if self._next < len(self._seqs) else _NEVER

    def _call_next(self) -> None:
        seq = self._due()
        self._end(seq, "delivery")
        self._end(seq, "question")
        # An answer that stood right behind what was just played was there before that could lead to anything.
        if 0 < self._next < len(self._seqs) and self._moments[seq] - self._moments[self._seqs[self._next - 1]] <= TOGETHER_NS:
            self._end(seq, "answer")

    def _end(self, seq: int, what: str) -> None:
        for turn in self._turns.pop((seq, what), ()):
            if not turn.done():
                turn.set_result(None)
