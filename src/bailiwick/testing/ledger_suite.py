"""`LedgerSuite`: what every ledger backend must do, a test for each guarantee of the port."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from bailiwick.effects import Record
from bailiwick.errors import DuplicateIntent, LedgerUnavailable, Unencodable
from bailiwick.ledger import EMPTY, Head, Ledger, Past, Sealed, commitment, link, verify
from bailiwick.testing.ledger_records import agent, attempt, effect, intent, outcome, seal

PRODUCERS = 20
ROUNDS = 10


def records(ledger: Ledger, after: int = 0) -> list[Record]:
    """What the durable entries hold."""
    return [entry.record for entry in ledger.entries(after)]


class LedgerSuite(ABC):
    """Subclass it in a test module and say how to open a ledger; pytest does the rest.

    Set ``durable`` to False for a medium that survives nothing. The two optional hooks let the suite see a crash and a broken
    medium; the tests that need one are skipped without it, and say so.
    """

    durable = True

    @abstractmethod
    async def open(self, where: Path) -> Ledger:
        """A ledger at ``where``, an empty directory at first. Called again with the same ``where``, after the first one was closed,
        it shows what survived. Called inside a running event loop."""

    def crash_image(self, where: Path, image: Path) -> None:
        """Copy to the directory ``image`` what a crash at this moment would leave of the ledger at ``where``."""
        pytest.skip("the suite was not told how to take an image of this medium")

    def broken_medium(self, ledger: Ledger, where: Path) -> AbstractContextManager[None]:
        """Inside, the medium takes no writes."""
        pytest.skip("the suite was not told how to break this medium")

    def _run(self, scenario: Coroutine[Any, Any, None]) -> None:
        asyncio.run(scenario)

    # 1. Order

    def test_entries_stand_in_the_order_of_the_appends_without_gaps(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            assert ledger.head() == EMPTY
            assert list(ledger.entries()) == []
            written: list[Record] = []
            for number in range(ROUNDS):
                group: Sequence[Record] = [intent(number), outcome(number), seal(0, b"%d" % number)][: 1 + number % 3]
                written += group
                assert ledger.append(*group) == len(written)
            await ledger.barrier()
            assert records(ledger) == written
            assert [entry.seq for entry in ledger.entries()] == list(range(1, len(written) + 1))
            for after in (0, 1, len(written) - 1, len(written), len(written) + 5):
                assert records(ledger, after) == written[after:]
            await ledger.close()

        self._run(scenario())

    def test_many_producers_share_one_order(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            placed: dict[int, Record] = {}

            async def produce(first: int) -> None:
                for number in range(first, first + ROUNDS):
                    for record in (intent(number), outcome(number)):
                        seq = ledger.append(record)
                        placed[seq] = record
                        await ledger.barrier()
                        assert records(ledger, seq - 1)[0] == record

            await asyncio.gather(*(produce(ROUNDS * producer) for producer in range(PRODUCERS)))
            assert records(ledger) == [placed[seq] for seq in range(1, 2 * PRODUCERS * ROUNDS + 1)]
            await ledger.close()

        self._run(scenario())

    def test_entries_are_a_snapshot_taken_when_the_iteration_starts(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            ledger.append(intent(1))
            ledger.append(intent(2))
            await ledger.barrier()
            not_started = ledger.entries()
            started = ledger.entries()
            assert next(started).seq == 1
            ledger.append(intent(3))
            await ledger.barrier()
            assert [entry.seq for entry in started] == [2]
            assert [entry.seq for entry in not_started] == [1, 2, 3]
            await ledger.close()

        self._run(scenario())

    # 2. Durability

    def test_what_a_barrier_acknowledged_is_there_after_opening_again(self, tmp_path: Path) -> None:
        if not self.durable:
            pytest.skip("this medium survives nothing")

        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            ledger.append(intent(1), outcome(1, value=b"one"))
            ledger.append(intent(2, arguments=b"two"))
            ledger.append(seal(0, b"old"))
            ledger.append(seal(0, b"new"))
            await ledger.barrier()
            written, head = list(ledger.entries()), ledger.head()
            await ledger.close()
            again = await self.open(tmp_path)
            assert list(again.entries()) == written
            assert again.head() == head
            assert again.find(effect(1)) == Past(intent(1), outcome(1, value=b"one"), 2)
            assert again.find(effect(2)) == Past(intent(2, arguments=b"two"), None, 0)
            assert again.last_seal(agent(0)) == Sealed(5, seal(0, b"new"))
            assert again.append(outcome(2)) == 6
            await again.close()

        self._run(scenario())

    def test_closing_makes_everything_durable(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            ledger.append(intent(1))
            await ledger.close()
            again = await self.open(tmp_path)
            assert records(again) == ([intent(1)] if self.durable else [])
            await again.close()

        self._run(scenario())

    def test_cancelling_a_wait_takes_nothing_back_and_disturbs_nobody(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            waits: list[asyncio.Task[None]] = []
            for number in range(PRODUCERS):
                ledger.append(intent(number))
                waits.append(asyncio.create_task(_barrier(ledger)))
            await asyncio.sleep(0)
            for wait in waits[::2]:
                wait.cancel()
            results = await asyncio.gather(*waits, return_exceptions=True)
            assert results[1::2] == [None] * (PRODUCERS // 2)
            await ledger.barrier()
            assert records(ledger) == [intent(number) for number in range(PRODUCERS)]
            await ledger.close()

        self._run(scenario())

    # 3. Prefix and 4. Together

    def test_what_survives_a_crash_is_a_prefix_of_whole_appends(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path / "original")
            written: list[Record] = []
            ends: list[int] = [0]
            images: list[tuple[Path, int]] = []
            for number in range(30):
                group: Sequence[Record] = [intent(number), outcome(number), seal(0, b"%d" % number), seal(1, b"")][: 1 + number % 4]
                written += group
                ends.append(ledger.append(*group))
                durable = 0
                if number % 3 == 0:
                    await ledger.barrier()
                    durable = len(written)
                elif number % 3 == 1:
                    await asyncio.sleep(0)
                image = tmp_path / f"image{number}"
                image.mkdir()
                self.crash_image(tmp_path / "original", image)
                images.append((image, durable))
            await ledger.close()
            for image, durable in images:
                survivor = await self.open(image)
                found = records(survivor)
                assert found == written[: len(found)]
                assert len(found) in ends
                assert len(found) >= durable
                assert verify(survivor.entries()) == survivor.head()
                await survivor.close()

        (tmp_path / "original").mkdir()
        self._run(scenario())

    # 5. Once

    @pytest.mark.parametrize("again", [False, True], ids=["at once", "after opening again"])
    def test_an_effect_has_one_intent_and_one_outcome(self, tmp_path: Path, again: bool) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            ledger.append(intent(1), outcome(1))
            ledger.append(intent(2))
            await ledger.barrier()
            if again and self.durable:
                await ledger.close()
                ledger = await self.open(tmp_path)
            head = ledger.head()
            refused: list[Sequence[Record]] = [
                [intent(1)],
                [intent(2)],
                [outcome(1)],
                [outcome(3)],
                [intent(3), intent(3)],
                [intent(3), outcome(3), outcome(3)],
                [outcome(3), intent(3)],
                [intent(3), seal(0, b""), outcome(2), intent(1)],
            ]
            for group in refused:
                with pytest.raises(DuplicateIntent):
                    ledger.append(*group)
                assert ledger.head() == head
            # Nothing of what was refused is there: neither the new effect, nor the seal, nor the first half of a pair.
            assert ledger.find(effect(3)) is None
            assert ledger.last_seal(agent(0)) is None
            assert ledger.append(outcome(2)) == 4
            assert ledger.append(intent(3), outcome(3)) == 6
            await ledger.barrier()
            assert records(ledger, 3) == [outcome(2), intent(3), outcome(3)]
            await ledger.close()

        self._run(scenario())

    def test_a_record_that_cannot_be_encoded_changes_nothing(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            with pytest.raises(Unencodable):
                ledger.append(intent(1), intent(2**80))
            assert ledger.head() == EMPTY
            assert ledger.find(effect(1)) is None
            assert ledger.append(intent(1)) == 1
            await ledger.close()

        self._run(scenario())

    # 6. Read your writes

    def test_an_entry_shows_from_the_moment_append_returned(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            for number in range(PRODUCERS):
                seq = ledger.append(intent(number))
                assert ledger.head().seq == seq
                assert ledger.find(effect(number)) == Past(intent(number), None, 0)
            for number in range(PRODUCERS):
                seq = ledger.append(outcome(number), seal(number, b"mind"))
                assert ledger.find(effect(number)) == Past(intent(number), outcome(number), seq - 1)
                assert ledger.last_seal(agent(number)) == Sealed(seq, seal(number, b"mind"))
            head = ledger.head()
            await ledger.barrier()
            assert ledger.head() == head
            for number in range(PRODUCERS):
                found = ledger.find(effect(number))
                assert found is not None
                assert found.outcome == outcome(number)
            assert ledger.find(effect(PRODUCERS)) is None
            assert ledger.last_seal(agent(PRODUCERS)) is None
            await ledger.close()

        self._run(scenario())

    # 7. Fail-stop

    def test_a_broken_medium_stops_the_ledger_and_loses_nothing_acknowledged(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            ledger.append(intent(1))
            await ledger.barrier()
            with self.broken_medium(ledger, tmp_path):
                ledger.append(intent(2, arguments=bytes(100_000)))
                waits = [asyncio.create_task(_barrier(ledger)) for _ in range(3)]
                results = await asyncio.gather(*waits, return_exceptions=True)
                assert [type(result) for result in results] == [LedgerUnavailable] * 3
            # Mended too late: what was refused may have been lost, so nothing may follow it.
            head = ledger.head()
            with pytest.raises(LedgerUnavailable):
                ledger.append(intent(3))
            with pytest.raises(LedgerUnavailable):
                await ledger.barrier()
            assert ledger.head() == head
            with pytest.raises(LedgerUnavailable):
                await ledger.close()
            await ledger.close()
            again = await self.open(tmp_path)
            assert records(again)[0] == intent(1)
            assert verify(again.entries()) == again.head()
            again.append(intent(3))
            await again.barrier()
            await again.close()

        self._run(scenario())

    def test_a_closed_ledger_takes_nothing_and_closing_twice_is_harmless(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            ledger.append(intent(1))
            await ledger.close()
            await ledger.close()
            with pytest.raises(LedgerUnavailable):
                ledger.append(intent(2))
            with pytest.raises(LedgerUnavailable):
                await ledger.barrier()

        self._run(scenario())

    # 5, 6. Further attempts

    def test_the_newest_attempt_is_found_and_none_follows_an_outcome(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            with pytest.raises(DuplicateIntent):
                ledger.append(attempt(1, 2))
            ledger.append(intent(1), attempt(1, 2))
            ledger.append(attempt(1, 3))
            past = ledger.find(effect(1))
            assert past is not None
            assert past.attempt == attempt(1, 3)
            ledger.append(outcome(1))
            with pytest.raises(DuplicateIntent):
                ledger.append(attempt(1, 4))
            await ledger.close()

        self._run(scenario())

    # 9. Erasure

    def test_what_is_erased_is_gone_and_the_chain_holds(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            secret = b"\xa6secret"
            ledger.append(intent(1, arguments=secret), outcome(1, value=secret))
            ledger.append(seal(1, secret))
            head = ledger.head()
            assert await ledger.erase([1, 3, 3, 4]) == 2
            assert await ledger.erase([1]) == 0
            await ledger.barrier()
            assert verify(ledger.entries()) == head
            past, sealed = ledger.find(effect(1)), ledger.last_seal(agent(1))
            assert past is not None
            assert sealed is not None
            assert past.erased
            assert (past.intent.arguments, sealed.seal.state) == (b"", b"")
            assert past.outcome == outcome(1, value=secret)
            await ledger.close()
            if self.durable:
                again = await self.open(tmp_path)
                assert verify(again.entries()) == head
                assert next(again.entries()).payload == b""
                await again.close()

        self._run(scenario())

    # 8. Chain

    def test_every_hash_covers_the_body_and_the_hash_before(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            ledger = await self.open(tmp_path)
            for number in range(ROUNDS):
                ledger.append(intent(number), outcome(number))
            head = ledger.head()
            await ledger.barrier()
            previous = EMPTY
            for entry in ledger.entries():
                assert entry.hash == link(previous.hash, entry.body, commitment(entry.payload))
                previous = Head(entry.seq, entry.hash)
            assert previous == head
            assert verify(ledger.entries()) == head
            assert verify(ledger.entries(7), _head_at(ledger, 7)) == head
            await ledger.close()

        self._run(scenario())


async def _barrier(ledger: Ledger) -> None:
    await ledger.barrier()


def _head_at(ledger: Ledger, seq: int) -> Head:
    entry = next(ledger.entries(seq - 1))
    return Head(entry.seq, entry.hash)
