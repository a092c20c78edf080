"""One suite for the port `Engine`, on the fake and on Docker: containers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from agent.server import health
from agent.server.ports import Engine, EngineAbsent, EngineError, Instance, LogEntry
from tests.contract.agent.engines import Lab
from tests.contract.sandbox.cloudflare.serving import until
from tests.unit.agent.builders import NAME, OTHER, release, spec

CANDIDATE = f"{NAME}.candidate"


def one(engine: Engine, name: str = NAME) -> Instance:
    (found,) = engine.instances(name)
    return found


def lines(engine: Engine, full_name: str, tail: int | None = None) -> list[LogEntry]:
    with closing(engine.logs(full_name, tail=tail)) as stream:
        return list(stream)


def running(lab: Lab, number: int = 1, name: str = NAME) -> Instance:
    """A candidate that serves and has written its first line."""
    made = lab.engine.create(name, spec(number, lab.image.id))
    lab.engine.start(made.full_name)
    until(lambda: health.probe(one(lab.engine, name))[0], "it listens")
    until(lambda: bool(lines(lab.engine, made.full_name)), "it writes")
    return one(lab.engine, name)


def test_the_version_is_a_number(lab: Lab) -> None:
    assert lab.engine.version().split(".")[0].isdigit()


def test_a_created_container_is_a_candidate_that_does_not_run_and_remembers_its_specification(lab: Lab) -> None:
    wanted = spec(1, lab.image.id, memory_mib=64, health={"path": "/up", "start_seconds": 7}, drain_seconds=9)
    made = lab.engine.create(NAME, wanted)
    assert lab.engine.instances() == (made,)
    assert (made.name, made.role, made.full_name) == (NAME, "candidate", CANDIDATE)
    assert (made.status, made.running, made.restarts, made.started_at) == ("created", False, 0, None)
    assert (made.release, made.image, made.port, made.hosts) == (release(1), lab.image.id, 8080, wanted.hosts)
    assert (made.health, made.drain_seconds, made.memory_mib) == (wanted.health, 9, 64)


def test_an_image_is_built_for_what_docker_runs_on_here_and_one_that_is_absent_is_told(lab: Lab) -> None:
    image, machine = lab.engine.architectures(lab.image.id)
    assert image == machine != ""
    with pytest.raises(EngineAbsent):
        lab.engine.architectures("sha256:" + "0" * 64)


def test_a_container_tells_the_names_of_its_variables_and_when_and_how_it_ended(lab: Lab) -> None:
    lab.engine.create(NAME, spec(1, lab.image.id, environment={"COLOUR": "blue"}))
    lab.engine.start(CANDIDATE)
    begun = one(lab.engine)
    assert {"COLOUR", "DEPLOYER_RELEASE", "DEPLOYER_SERVICE"} <= set(begun.variables)
    lab.engine.stop(CANDIDATE, 0)
    ended = one(lab.engine)
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert ended.ended_at >= ended.started_at
    assert (ended.pid, ended.oom) == (0, False)


def test_each_container_has_an_address_of_its_own_and_keeps_it(lab: Lab) -> None:
    first, second = running(lab), running(lab, name=OTHER)
    assert first.address != second.address
    lab.engine.stop(CANDIDATE, 0)
    lab.engine.start(CANDIDATE)
    assert one(lab.engine).address == first.address


def test_the_address_of_a_removed_container_is_free_again(lab: Lab) -> None:
    first = lab.engine.create(NAME, spec(1, lab.image.id))
    lab.engine.remove(CANDIDATE)
    assert lab.engine.create(NAME, spec(2, lab.image.id)).address == first.address


def test_containers_of_other_services_are_not_listed_for_one(lab: Lab) -> None:
    lab.engine.create(NAME, spec(1, lab.image.id))
    lab.engine.create(OTHER, spec(1, lab.image.id))
    assert [found.name for found in lab.engine.instances(OTHER)] == [OTHER]
    assert [found.name for found in lab.engine.instances()] == [OTHER, NAME]


def test_a_second_candidate_is_refused_and_the_first_stays(lab: Lab) -> None:
    first = lab.engine.create(NAME, spec(1, lab.image.id))
    with pytest.raises(EngineError) as caught:
        lab.engine.create(NAME, spec(2, lab.image.id))
    assert caught.value.status == 409
    assert lab.engine.instances() == (first,)


def test_a_container_of_an_absent_image_is_not_made(lab: Lab) -> None:
    with pytest.raises(EngineAbsent):
        lab.engine.create(NAME, spec(1, "sha256:" + "0" * 64))
    assert lab.engine.instances() == ()


def test_a_started_container_answers_until_it_is_stopped(lab: Lab) -> None:
    started = running(lab)
    assert started.running
    assert started.started_at is not None
    lab.engine.stop(CANDIDATE, 0)
    stopped = one(lab.engine)
    assert stopped.status == "exited"
    assert not health.probe(stopped)[0]


def test_starting_twice_and_stopping_twice_change_nothing_more(lab: Lab) -> None:
    started = running(lab)
    lab.engine.start(CANDIDATE)
    assert one(lab.engine) == started
    lab.engine.stop(CANDIDATE, 0)
    stopped = one(lab.engine)
    lab.engine.stop(CANDIDATE, 0)
    assert one(lab.engine) == stopped


def test_a_restart_is_the_same_container_with_a_later_start(lab: Lab) -> None:
    before = running(lab)
    lab.engine.restart(CANDIDATE, 0)
    until(lambda: health.probe(one(lab.engine))[0], "it listens again")
    after = one(lab.engine)
    assert after.id == before.id
    assert before.started_at is not None
    assert after.started_at is not None
    assert after.started_at > before.started_at


def test_a_stopped_container_can_be_started_by_a_restart(lab: Lab) -> None:
    running(lab)
    lab.engine.stop(CANDIDATE, 0)
    lab.engine.restart(CANDIDATE, 0)
    until(lambda: health.probe(one(lab.engine))[0], "it listens again")
    assert one(lab.engine).running


def test_a_rename_changes_the_role_and_nothing_else_while_it_runs(lab: Lab) -> None:
    candidate = running(lab)
    lab.engine.rename(candidate, "current")
    current = one(lab.engine)
    assert (current.role, current.full_name) == ("current", NAME)
    assert (current.id, current.address, current.started_at) == (candidate.id, candidate.address, candidate.started_at)
    assert health.probe(current)[0]
    lab.engine.rename(current, "previous")
    assert one(lab.engine).full_name == f"{NAME}.previous"
    lab.engine.rename(one(lab.engine), "kept")
    assert (one(lab.engine).role, one(lab.engine).full_name) == ("kept", f"{NAME}.kept-{release(1)}")


def test_a_kept_container_starts_again_with_its_secrets_and_they_go_with_it(lab: Lab) -> None:
    made = lab.engine.create(NAME, spec(1, lab.image.id, secrets={"KEY": "s3cret"}))
    lab.engine.start(made.full_name)
    lab.engine.stop(made.full_name, 0)
    lab.engine.rename(made, "kept")
    other = lab.engine.create(NAME, spec(2, lab.image.id))
    lab.engine.rename(other, "kept")
    lab.engine.start(f"{NAME}.kept-{release(1)}")
    until(lambda: health.probe(lab.engine.instances(NAME)[0])[0], "it listens again")
    if lab.secrets:
        assert (lab.secrets / NAME / release(1) / "KEY").read_text() == "s3cret"
    lab.engine.remove(f"{NAME}.kept-{release(1)}")
    assert [one.release for one in lab.engine.instances(NAME)] == [release(2)]
    if lab.secrets:
        assert not (lab.secrets / NAME).exists()


def test_secrets_stay_for_another_container_of_the_release_where_they_are_to(lab: Lab) -> None:
    made = lab.engine.create(NAME, spec(1, lab.image.id, secrets={"KEY": "s3cret"}))
    lab.engine.remove(made.full_name, keep_secrets=True)
    assert lab.engine.instances(NAME) == ()
    if lab.secrets:
        assert (lab.secrets / NAME / release(1) / "KEY").read_text() == "s3cret"


def test_a_role_that_is_taken_is_not_given_twice(lab: Lab) -> None:
    first = lab.engine.create(NAME, spec(1, lab.image.id))
    lab.engine.rename(first, "current")
    second = lab.engine.create(NAME, spec(2, lab.image.id))
    with pytest.raises(EngineError) as caught:
        lab.engine.rename(second, "current")
    assert caught.value.status == 409
    assert {found.role: found.release for found in lab.engine.instances()} == {
        "current": release(1),
        "candidate": release(2),
    }


def test_removing_takes_a_running_container_and_an_absent_one_is_no_error(lab: Lab) -> None:
    running(lab)
    lab.engine.remove(CANDIDATE)
    lab.engine.remove(CANDIDATE)
    assert lab.engine.instances() == ()


CALLS: dict[str, Callable[[Engine, Instance], object]] = {
    "start": lambda engine, _: engine.start(CANDIDATE),
    "stop": lambda engine, _: engine.stop(CANDIDATE, 0),
    "restart": lambda engine, _: engine.restart(CANDIDATE, 0),
    "logs": lambda engine, _: engine.logs(CANDIDATE),
    "rename": lambda engine, gone: engine.rename(gone, "current"),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_is_not_there_is_told_apart_from_what_is_refused(lab: Lab, call: str) -> None:
    gone = lab.engine.create(NAME, spec(1, lab.image.id))
    lab.engine.remove(CANDIDATE)
    with pytest.raises(EngineAbsent):
        CALLS[call](lab.engine, gone)


def test_a_log_has_its_lines_with_their_times_and_its_tail_is_the_end(lab: Lab) -> None:
    started = running(lab)
    lab.engine.restart(CANDIDATE, 0)
    until(lambda: len(lines(lab.engine, CANDIDATE)) >= 2, "both starts are in the log")
    found = lines(lab.engine, CANDIDATE)
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    assert started.started_at is not None
    assert all(entry.at >= started.started_at - timedelta(seconds=1) for entry in found)
    assert lines(lab.engine, CANDIDATE, tail=1) == found[-1:]


def test_a_log_since_a_time_leaves_out_what_was_before(lab: Lab) -> None:
    running(lab)
    before = lines(lab.engine, CANDIDATE)
    lab.engine.restart(CANDIDATE, 0)
    until(lambda: len(lines(lab.engine, CANDIDATE)) > len(before), "the second start is in the log")
    with closing(lab.engine.logs(CANDIDATE, since=before[-1].at + timedelta(microseconds=1))) as stream:
        later = list(stream)
    assert later
    assert all(entry.at > before[-1].at for entry in later)


def test_a_followed_log_ends_with_the_container(lab: Lab) -> None:
    running(lab)
    stream = lab.engine.logs(CANDIDATE, follow=True)
    with closing(stream):
        first = next(stream)
        lab.engine.stop(CANDIDATE, 0)
        rest = list(stream)
    assert [first, *rest] == lines(lab.engine, CANDIDATE)


def test_a_follower_that_waits_is_freed_by_closing_from_another_thread(lab: Lab) -> None:
    running(lab)
    stream = lab.engine.logs(CANDIDATE, follow=True)
    ended = threading.Event()

    def follow() -> None:
        for _ in stream:
            pass
        ended.set()

    thread = threading.Thread(target=follow)
    thread.start()
    stream.close()
    stream.close()
    thread.join(10)
    assert ended.is_set()
    assert one(lab.engine).running
