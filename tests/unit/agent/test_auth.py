"""What in a query looks like a credential."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.server.auth import Offenders, looks_like_credential
from agent.server.settings import Limits


@pytest.mark.parametrize(
    "query",
    [
        "key=x",
        "api_key=x",
        "do_token=x",
        "PASSWORD=x",
        "pwd=",
        "X-Amz-Signature=x",
        "authorization=x",
        "client_secret=x",
        "a=1&b=2&token=x",
        "%6bey=x",
        "q=" + "a" * 64,
        "q=" + "A" * 64,
        "q=dop_v1_x",
        "q=Bearer%20x",
        "q=bearer+x",
    ],
)
def test_a_name_or_a_value_like_that_of_a_credential_is_found(query: str) -> None:
    assert looks_like_credential(query.encode())


@pytest.mark.parametrize(
    "query",
    ["", "tail=200", "since=2026-11-24T01:02:03Z&follow=true", "observer=controller", "tag=hello:1", "q=" + "a" * 63],
)
def test_what_the_controller_asks_is_fine(query: str) -> None:
    assert not looks_like_credential(query.encode())


@given(st.text(max_size=20), st.from_regex(r"\A[0-9a-f]{64}\Z"))
def test_a_key_is_found_under_any_name_and_however_it_is_quoted(name: str, key: str) -> None:
    everything = "".join(f"%{ord(letter):02x}" for letter in key)
    assert looks_like_credential(f"{quote(name)}={key}".encode())
    assert looks_like_credential(f"{quote(name)}={everything}".encode())


@given(st.binary(max_size=200))
def test_no_query_whatever_breaks_the_check(query: bytes) -> None:
    assert looks_like_credential(query) in {True, False}


def test_an_address_is_forgotten_when_its_time_is_over_and_the_table_is_bounded() -> None:
    async def story() -> list[bool]:
        offenders = Offenders(Limits(wrong_keys=1, wrong_key_pause=0.0))
        first = [await offenders.punish("a") > 0 for _ in range(2)]
        for number in range(1100):
            await offenders.punish(f"address-{number}")
        return [*first, await offenders.punish("a") > 0]

    assert asyncio.run(story()) == [False, True, False]
