"""Remediation from the command line: what a person types, and what is on the disk after it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from deployments import __main__ as command_line
from deployments import healing
from deployments.settings import Settings
from fleet.errors import InvalidInput, NotFound
from fleet.remediation import limits
from fleet.remediation.folders import Folder
from fleet.remediation.records import make_record
from tests.unit.fleet.remediation.scenes import OFF, Scene, service


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose state is in a folder of the test's."""
    return Settings(_env_file=None, admin_login="admin:x", state=tmp_path)  # type: ignore[call-arg, arg-type]  # as read from a file


def run(settings: Settings, *words: str) -> tuple[int, str]:
    """What a command answers, and its exit status."""
    said = io.StringIO()
    arguments = command_line.parser().parse_args(words)
    status = command_line.TOLD[arguments.command](settings, arguments, Console(file=said, width=200))
    return status, said.getvalue()


@pytest.fixture
def decided(settings: Settings) -> str:
    """The name of a decision whose record is there."""
    scene = Scene()
    scene.look()
    scene.look({1: OFF})
    (made,) = scene.last
    Folder(settings.healing).records.write([make_record(made, "demo-prod", "amber-fox")])
    return made.id


def test_replay_shows_the_record_and_that_it_is_decided_the_same_again(settings: Settings, decided: str) -> None:
    status, said = run(settings, "replay", decided)
    assert status == 0
    assert f"Decision {decided}" in said
    for told in ("remove from DNS", "G3 breaker", "hello.example.com", "DNS removals in 30 min", "amber-fox"):
        assert told in said
    assert "it comes to the same" in said


def test_replay_fails_and_says_what_differs_when_rules_have_changed(
    settings: Settings, decided: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BREAKER_PERCENT", 0)
    monkeypatch.setattr(limits, "WITNESSES", 9)
    monkeypatch.setattr(limits, "RULES", "2")
    status, said = run(settings, "replay", decided)
    assert status == 1
    assert "Decided again, it differs in: action, considered, because" in said
    assert "It was decided by rules 1; these are 2." in said


def test_replay_of_what_is_not_there_says_so(settings: Settings) -> None:
    with pytest.raises(NotFound, match="There is no record"):
        run(settings, "replay", "20261124t000000-0123456789")
    with pytest.raises(InvalidInput, match="is no decision"):
        run(settings, "replay", "latest")


def test_everything_is_paused_and_resumed_twice(settings: Settings) -> None:
    for _ in range(2):
        status, said = run(settings, "pause", "--why", "the provider moves us")
        assert (status, len(Folder(settings.healing).read_pauses())) == (0, 1)
        assert "everything is paused by " in said
        assert "the provider moves us" in said
    for _ in range(2):
        assert run(settings, "resume") == (0, "Nothing is paused.\n")
        assert Folder(settings.healing).read_pauses() == ()


def test_a_service_and_a_droplet_are_paused_apart(settings: Settings) -> None:
    run(settings, "pause", "--service", "hello", "--hours", "2")
    run(settings, "pause", "--droplet", "demo-prod-000001")
    found = {one.scope: one for one in Folder(settings.healing).read_pauses()}
    since, until = found["service"].since, found["service"].until
    assert since is not None
    assert until is not None
    assert (until - since).total_seconds() == 7200
    assert (found["droplet"].name, found["droplet"].until) == ("demo-prod-000001", None)
    _, said = run(settings, "resume", "--service", "hello")
    assert "hello" not in said
    assert "demo-prod-000001" in said


def test_a_service_and_a_droplet_at_once_are_refused(settings: Settings) -> None:
    with pytest.raises(InvalidInput, match="One thing"):
        run(settings, "pause", "--service", "hello", "--droplet", "demo-prod-000001")
    assert Folder(settings.healing).read_pauses() == ()


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "99999", "soon"])
def test_a_pause_of_a_strange_length_is_refused(
    settings: Settings, hours: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(settings, "pause", "--hours", hours)
    assert "--hours" in capsys.readouterr().err


def test_resuming_lets_go_of_what_is_held_and_allows_replacements_again(settings: Settings) -> None:
    folder = Folder(settings.healing)
    scene = Scene()
    scene.look()
    scene.acts(60, {2: OFF, 3: OFF}, {1: "unhealthy"}, word="unhelpful")
    scene.acts(60, {2: OFF, 3: OFF}, {1: "unhealthy"}, word="unhelpful")
    folder.write_memory(scene.memory)
    assert scene.memory.cases[service(1).key].hold is not None
    assert scene.memory.suspension is not None
    assert run(settings, "resume", "--service", "hello", "--replacements")[0] == 0
    memory = folder.read_memory()
    assert memory.cases[service(1).key].hold is None
    assert memory.suspension is None


def test_a_mistake_on_the_command_line_is_one_sentence_and_a_status(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "load", lambda: settings)
    monkeypatch.setattr("sys.argv", ["deployments", "replay", "latest"])
    monkeypatch.setattr("os.environ", dict())
    assert command_line.main() == 1
    assert "'latest' is no decision." in capsys.readouterr().out


def test_the_folder_is_beside_prefects_and_not_in_it(settings: Settings) -> None:
    assert settings.healing.parent == settings.home.parent
    assert healing.LONGEST > 24 * 365
