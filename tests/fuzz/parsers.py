"""The parsers that are given noise: how each is called, how it refuses, and what its language looks like."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from agent import archives, contexts, dockerfiles, schedule, wire
from agent.docker_api import EngineError, moment
from agent.server import levels, streams
from agent.server.patterns import Ignore
from deployments import compose
from deployments.compose import document
from fleet import checks, lineage, naming
from fleet.errors import InvalidInput
from tasks import contexts as packing
from tasks.sources import archives as sources

CORPUS = Path(__file__).parent / "corpus"
NOW = datetime(2026, 11, 24, 2, 15, tzinfo=UTC)
LAYER = "sha256:" + "1" * 64


@dataclass(frozen=True)
class Parser:
    """One parser: `read` may raise what is in `refuses`, and nothing else; `words` are what its language is made of."""

    read: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...] = ()
    words: tuple[str, ...] = ()


def _context(content: bytes) -> None:
    contexts.check(io.BytesIO(content), "Dockerfile")
    list(contexts.rewritten(io.BytesIO(content)))


def _archive(content: bytes) -> None:
    archives.read(io.BytesIO(content))
    list(archives.partial(io.BytesIO(content), {LAYER}))


def _dockerfile(content: bytes) -> None:
    text = content.decode(errors="replace")
    dockerfiles.check(text)
    dockerfiles.needs_buildkit(text)
    dockerfiles.secrets(text)


def _cron(content: bytes) -> None:
    expression, _, zone = content.decode(errors="replace").partition("\n")
    cron = wire.Cron(expression=expression, zone=zone or "UTC")
    schedule.check(cron)
    due = schedule.next_due(cron, NOW)
    assert due
    assert due > NOW
    schedule.last_due(cron, NOW)
    schedule.margin(cron)


def _in_folder(name: str, content: bytes, look: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        (folder / "Dockerfile").write_text("FROM scratch\n")
        (folder / "src").mkdir()
        (folder / "src" / "app.py").touch()
        (folder / name).write_bytes(content)
        look(folder)


def _dockerignore(content: bytes) -> None:
    _in_folder(".dockerignore", content, lambda folder: packing.survey(folder, "Dockerfile"))


def _source(name: str, content: bytes) -> None:
    def look(folder: Path) -> None:
        sources.check(folder / name, "", "Dockerfile")
        sources.unpack(folder / name, folder / "src")
        assert {path.name for path in folder.iterdir()} == {"Dockerfile", "src", name}

    _in_folder(name, content, look)


def _log(content: bytes) -> None:
    lines = content.decode(errors="replace").split("\n")
    known = set(lines)
    assert all(line in known for line in levels.errors(lines))
    ignore = Ignore((r"GET /health", r"\d+ (ms|s)$"))
    assert all(ignore(line) in (True, False) and levels.is_error(line) in (True, False) for line in lines)


def _frames(content: bytes) -> None:
    for entry in streams.log_entries(iter([content[:7], content[7:]])):
        assert "\n" not in entry.text
    moment(content.decode(errors="replace"))


def _messages(content: bytes) -> None:
    for message in streams.messages(iter([content])):
        assert isinstance(message, dict)


def _routes(content: bytes) -> None:
    for route in wire.Routes.model_validate_json(content).routes:
        assert not set(route.host + route.address) & set("{};# $\n\r\t\"'\\/")


def _name(content: bytes) -> None:
    text = content.decode(errors="replace")
    tombstone = naming.read_tombstone(text)
    assert tombstone is None or naming.read_tombstone(naming.tombstone_tag(tombstone)) == tombstone
    lineage.read(text)
    for reader in (checks.check_domain, naming.released_at, naming.read_container):
        try:
            reader(text)
        except InvalidInput:
            continue
        assert not set(text) & set("{};#$\n\r\"'\\/ ")


def _compose(content: bytes) -> None:
    values, findings = document.load(content.decode(errors="replace"), {"HOME": "/root"})
    compose.read(values, findings=findings)


PARSERS = {
    "context": Parser(_context, (contexts.Unfit,)),
    "archive": Parser(_archive, (archives.Malformed,)),
    "tar": Parser(partial(_source, "context.tar"), (InvalidInput,)),
    "zip": Parser(partial(_source, "context.zip"), (InvalidInput,)),
    "dockerfile": Parser(
        _dockerfile,
        (dockerfiles.Refused,),
        (
            "FROM",
            "RUN",
            "ONBUILD",
            " ",
            "\n",
            "\\",
            "`",
            "#",
            "# syntax=",
            "# escape=",
            "--network=",
            "host",
            "none",
            "--mount=",
            "type=secret,",
            "id=",
            "target=",
            "<<EOF",
            "EOF",
            '"',
            "'",
            "\ufeff",
            "\u2028",
            "\x85",
            "{",
        ),
    ),
    "dockerignore": Parser(
        _dockerignore,
        (InvalidInput,),
        ("*", "**", "?", "!", "/", "\n", "src", "[", "]", "^", "-", "\\", ".", "..", "(", ")", "+", "{", "|", "#", "$"),
    ),
    "cron": Parser(
        _cron,
        (ValueError,),
        (
            "*",
            "/",
            "-",
            ",",
            " ",
            "0",
            "1",
            "7",
            "23",
            "31",
            "59",
            "L",
            "#",
            "MON",
            "FEB",
            "@reboot",
            "\n",
            "%",
            "Europe/Berlin",
            "../etc/passwd",
            "America/New_York",
            "\0",
        ),
    ),
    "log": Parser(
        _log,
        words=(
            "{",
            "}",
            "[",
            "]",
            '"',
            ":",
            ",",
            '{"a":',
            "level",
            "ERROR",
            "INFO",
            "\n",
            " ",
            "\x1b[31m",
            "<3>",
            "E1124 ",
            "Traceback (most recent call last):",
            "Caused by: ",
            "\tat ",
            "ValueError: ",
            "1",
            "9" * 30,
            "\0",
            "\u2028",
        ),
    ),
    "frames": Parser(
        _frames, words=("\x01\0\0\0\0\0\0\x20", "\x02\0\0\0\0\0\0\x08", "2026-11-24T02:15:30.5Z ", "\n", "\xff", "line")
    ),
    "messages": Parser(_messages, (EngineError,), ("{", "}", '"error"', ":", "null", "\n", "[", "1")),
    "routes": Parser(
        _routes,
        (ValueError,),
        (
            '{"routes": [',
            '{"host": "',
            '", "container": "',
            '", "release": "',
            '", "address": "',
            '", "port": ',
            "}",
            "]",
            ";",
            "a.example.com",
            "9fe5e6_demo_prod_web",
            "20261124t021530-9fe5e6",
            "172.30.0.2",
            "80",
            "\\n",
            "{",
            '"',
            "$host",
        ),
    ),
    "name": Parser(
        _name,
        words=(
            "9fe5e6",
            "_",
            "demo",
            "prod",
            "web",
            "-",
            ".",
            "com",
            "\n",
            "$",
            "deployer-tombstone",
            ":",
            "_all",
            "destroy",
            "20261124t021530",
            "{",
            '"',
            ";",
            "\u0131",
            "A",
            "\0",
        ),
    ),
    "compose": Parser(
        _compose,
        (InvalidInput,),
        (
            "services:",
            "\n",
            "  ",
            "web:",
            "image:",
            "build:",
            "ports:",
            "- ",
            '"',
            "8080:80",
            "$",
            "${",
            "}",
            ":-",
            "&a",
            "*a",
            "<<:",
            "volumes:",
            "environment:",
            "[",
            "]",
            "{",
            "null",
            "0x",
            "1e9",
            ".inf",
            "2026-11-24",
            "!!binary",
            "x-deployer:",
        ),
    ),
}
