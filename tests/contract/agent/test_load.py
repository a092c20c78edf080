"""Crowds at the port of a real agent's process: it goes on answering, refuses what is too much, and stays small."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent
from agent.server.settings import MIB, Limits
from agent.server.work import STREAMS
from tests.contract.agent.crowds import CUT, Crowd, Ends, statuses
from tests.contract.agent.process import Process, process
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import NAME

UNIT = Path(agent.__file__).parent / "packaging/root/etc/systemd/system/deployer-agent.service"
MOST = int(re.findall(r"^MemoryMax=(\d+)M$", UNIT.read_text(), re.MULTILINE)[0]) * MIB
"""What systemd lets the agent have."""
FILES = 1024
"""Open files that systemd lets it have."""
SIZE = MIB // 4
WRONG = "f" * 64


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with process(tmp_path_factory.mktemp("agent")) as running:
        running.deploy(1)
        yield running


@pytest.fixture
def crowd(lab: Process) -> Iterator[Crowd]:
    yield Crowd(lab)
    assert lab.peak_bytes() < MOST
    assert asyncio.run(Crowd(lab).ask("GET", "/node")) == 200


def test_of_fifty_uploads_at_once_each_is_whole_or_refused_and_all_are_through_in_the_end(crowd: Crowd) -> None:
    async def story() -> None:
        waiting = set(range(50))
        while waiting:
            numbers = sorted(waiting)
            found = await asyncio.gather(*(crowd.upload(number, SIZE) for number in numbers))
            assert set(found) <= {200, 503, CUT}  # one that is refused before it is in may find its connection closed
            done = {number for number, status in zip(numbers, found, strict=True) if status == 200}
            assert done
            waiting -= done

    asyncio.run(story())


def test_of_a_hundred_readers_eight_are_served_and_a_flood_of_lines_waits_for_the_slow_ones(
    lab: Process, crowd: Crowd
) -> None:
    async def follow(ends: Ends) -> int:
        reader, writer = ends
        writer.write(crowd.head("GET", f"/containers/{NAME}/logs?follow=true&tail=1"))
        status = int((await reader.readline()).split()[1])
        return status  # and reads no further

    async def story() -> None:
        async with crowd.held(100, follow) as found:
            assert sum(one == 200 for one in found) <= STREAMS
            assert {one for one in found if one != 200} <= {503}
            before = lab.resident_bytes()
            lab.say(5000)
            for _ in range(3):
                assert await crowd.ask("GET", "/node") == 200
            assert lab.resident_bytes() - before < 64 * MIB
        async with crowd.held(1, follow) as found:
            assert found == [200]

    asyncio.run(story())


def test_whoever_begins_no_handshake_is_let_go_for_those_who_come_later_and_leaves_nothing_behind(
    lab: Process, crowd: Crowd
) -> None:
    limits = Limits()

    async def story() -> None:
        for _ in range(3):  # each time what the crowd before has left would be added
            async with crowd.silent(FILES + 200) as opened:
                assert await crowd.ask("GET", "/node") == 200
                until(lambda: lab.connections() <= limits.handshakes + limits.connections, "most are let go")
                reader, _ = opened[0]
                assert await asyncio.wait_for(reader.read(), 10) == b""

    asyncio.run(story())


def test_slow_heads_and_slow_bodies_keep_nobody_out(crowd: Crowd) -> None:
    async def slow_head(ends: Ends) -> None:
        ends[1].write(b"GET /node HTTP/1.1\r\nHost: ")

    async def slow_body(ends: Ends) -> None:
        digest = f"sha256:{id(ends):064x}"
        ends[1].write(crowd.head("PUT", f"/uploads/{digest}?total={SIZE}", SIZE) + b"x")

    async def story() -> None:
        async with crowd.held(90, slow_head), crowd.held(30, slow_body):
            assert await statuses([crowd.ask("GET", "/node") for _ in range(20)]) == {200: 20}

    asyncio.run(story())


def test_a_multitude_of_wrong_keys_is_refused_and_the_right_one_is_served_meanwhile(crowd: Crowd) -> None:
    async def story() -> None:
        async def knock(place: int) -> set[int]:
            return {await crowd.ask("GET", "/node", key=WRONG, address=f"127.3.0.{place}") for _ in range(3)}

        knocking = [asyncio.create_task(knock(place)) for place in range(1, 61)]
        served = await statuses([crowd.ask("GET", "/node") for _ in range(10)])
        assert served == {200: 10}
        assert set.union(*await asyncio.gather(*knocking)) == {401, 429}

    asyncio.run(story())
