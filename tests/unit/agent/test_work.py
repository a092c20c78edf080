"""Streams cross from threads to the event loop an item at a time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from agent.server.errors import Failure
from agent.server.work import STREAMS, Work


class Flood:
    """A stream without end that knows how much of it was taken."""

    def __init__(self) -> None:
        self.taken, self.closed = 0, False
        self._numbers = itertools.count()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.taken += 1
        return next(self._numbers)

    def close(self) -> None:
        """Nobody wants more."""
        self.closed = True


def test_a_reader_who_is_slow_holds_the_flood_back_and_keeps_nothing_in_memory() -> None:
    flood = Flood()

    async def story() -> list[int]:
        items = Work(1.0).pump(flood)
        read = [await anext(items) for _ in range(3)]
        await asyncio.gather(*(asyncio.to_thread(int) for _ in range(20)))  # time for others, while nobody reads
        assert flood.taken == 3
        await items.aclose()  # type: ignore[attr-defined]  # it is a generator
        return read

    assert asyncio.run(story()) == [0, 1, 2]
    assert flood.closed


def test_a_hundred_streams_at_once_are_eight_and_the_rest_is_refused() -> None:
    async def story() -> list[object]:
        work, over = Work(1.0), asyncio.Event()

        async def follow() -> None:
            async with work.stream_slot():
                await over.wait()

        readers = [asyncio.create_task(follow()) for _ in range(100)]
        refused, _ = await asyncio.wait(readers, return_when=asyncio.FIRST_EXCEPTION)
        over.set()
        found = [reader.exception() for reader in refused]
        assert len(await asyncio.gather(*readers, return_exceptions=True)) == 100
        async with work.stream_slot():
            return list(found)

    refusals = asyncio.run(story())
    assert len(refusals) == 100 - STREAMS
    assert {one.problem.code for one in refusals if isinstance(one, Failure)} == {"busy"}


def test_one_call_at_a_time_changes_a_service_and_another_is_told_that_it_waited_in_vain() -> None:
    async def story() -> None:
        work = Work(0.01)
        async with work.exclusive("one"), work.exclusive("two"):
            assert work.busy("one")
            with pytest.raises(Failure, match="Another call has been changing one"):
                async with work.exclusive("one"):
                    pytest.fail("two at once")
        assert not work.busy("one")

    asyncio.run(story())
