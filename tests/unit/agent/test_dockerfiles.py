"""What a Dockerfile may not say, however it is written."""

from __future__ import annotations

import pytest

from agent import dockerfiles

NETWORK = "--network=host"


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian:12\nRUN echo hello\n",
        "# syntax=docker/dockerfile:1\nFROM debian:12\n",
        "# syntax=docker/dockerfile:1.7.0\nFROM debian:12\n",
        f"# syntax=docker/dockerfile:1@sha256:{'a' * 64}\nFROM debian:12\n",
        "FROM debian:12\n# syntax=evil/frontend is not a directive here\n",
        "FROM debian:12\nRUN --network=none true\n",
        "FROM debian:12\nRUN --network=default --security=sandbox true\n",
        f"FROM debian:12\nRUN docker run {NETWORK} x\n",
        "FROM debian:12\nRUN echo it's\n",
        "FROM debian:12\nRUN --mount=type=secret,id=key cat /run/secrets/key\n",
        "",
    ],
)
def test_what_stays_inside_the_build_may_be_built(text: str) -> None:
    dockerfiles.check(text)


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=evil/frontend:1\nFROM debian:12\n",
        "#syntax = evil/frontend\n",
        "# escape=`\n# SYNTAX=evil/frontend\n",
        "\ufeff# syntax=evil/frontend\n",
        "\n# a word first\n# syntax=evil/frontend\n",
        "// syntax=evil/frontend\n",
        "# syntax=docker/dockerfile:1-labs\n",
        "# syntax=docker/dockerfile:1/../../evil\n",
        '{"syntax": "evil/frontend"}\n',
    ],
)
def test_a_foreign_frontend_is_refused(text: str) -> None:
    with pytest.raises(dockerfiles.Refused):
        dockerfiles.check(text)


@pytest.mark.parametrize(
    "text",
    [
        f"FROM debian:12\nRUN {NETWORK} curl evil\n",
        f"FROM debian:12\n  run   {NETWORK} curl evil\n",
        f"FROM debian:12\nONBUILD RUN {NETWORK} curl evil\n",
        f"FROM debian:12\nRUN \\\n  # a word\n\n  {NETWORK} curl evil\n",
        f"FROM debian:12\nR\\\nUN {NETWORK} curl evil\n",
        f"# escape=`\nFROM debian:12\nRUN `\n {NETWORK} curl evil\n",
        f"FROM debian:12\nRUN --mount=type=cache,target=/a {NETWORK} curl evil\n",
        f'FROM debian:12\nRUN --mount="type=cache, target=/a" {NETWORK} curl evil\n',
        'FROM debian:12\nRUN --net"work"=host curl evil\n',
        "FROM debian:12\nRUN --net\\work=host curl evil\n",
        f'FROM debian:12\nRUN <<"E\\\\"\ntrue\nE\\\nRUN {NETWORK} curl evil\n',
        "FROM debian:12\nRUN --network=HOST curl evil\n",
        "FROM debian:12\nRUN --security=insecure mount\n",
    ],
)
def test_a_step_that_leaves_the_builds_network_or_sandbox_is_refused(text: str) -> None:
    with pytest.raises(dockerfiles.Refused, match=r"says RUN --(network|security)="):
        dockerfiles.check(text)


@pytest.mark.parametrize("text", ["#" * (dockerfiles.BYTES_LIMIT + 1), "\n" * (dockerfiles.LINES_LIMIT + 1)])
def test_a_file_that_nobody_wrote_is_refused(text: str) -> None:
    with pytest.raises(dockerfiles.Refused, match="is larger than 128 KiB or longer than 5000 lines"):
        dockerfiles.check(text)


def test_the_secrets_that_are_mounted_are_known_by_their_ids() -> None:
    text = (
        "FROM debian:12\nRUN --mount=type=secret,id=key --mount=type=cache,target=/c true\n"
        "RUN --mount=type=secret,target=/run/secrets/other,required=true true\n"
    )
    assert dockerfiles.secrets(text) == {"key", "other"}
    assert dockerfiles.needs_buildkit(text)
    assert not dockerfiles.needs_buildkit("FROM debian:12\nRUN echo --mount=type=secret,id=key\n")
