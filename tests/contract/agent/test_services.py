"""Services through the controller's client and the real agent: prepared, promoted, rolled back, stopped, judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from tests.contract.agent.serving import Droplet, droplet
from tests.unit.agent.builders import HOST, NAME, OTHER, release


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.client() as made:
        yield made


def roles(client: AgentClient) -> dict[str, str]:
    return {one.role: one.release for one in client.containers().containers}


def code(caught: pytest.ExceptionInfo[AgentProblem]) -> str:
    return caught.value.problem.code


def test_a_release_is_prepared_beside_the_current_one_and_serves_only_once_promoted(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1)
    changed = client.prepare(NAME, lab.spec(2))
    assert changed.changed
    assert {one.role: one.status for one in changed.containers} == {"current": "running", "candidate": "running"}
    assert lab.router.get(HOST) == (200, f"{NAME} {release(1)}")
    client.promote(NAME, wire.Promote(release=release(2)))
    assert lab.router.get(HOST) == (200, f"{NAME} {release(2)}")
    assert roles(client) == {"current": release(2), "previous": release(1)}


def test_whatever_is_asked_twice_changes_nothing_the_second_time(lab: Droplet, client: AgentClient) -> None:
    spec, promote = lab.spec(1), wire.Promote(release=release(1))
    assert [client.prepare(NAME, spec).changed for _ in range(2)] == [True, False]
    assert [client.promote(NAME, promote).changed for _ in range(2)] == [True, False]
    assert client.prepare(NAME, spec).changed is False
    lab.deploy(2)
    back = wire.Rollback(release=release(1))
    assert [client.rollback(NAME, back).changed for _ in range(2)] == [True, False]
    assert [client.retire(NAME, wire.Retire()).changed for _ in range(2)] == [True, False]
    assert [client.stop(NAME, wire.Stop()).changed for _ in range(2)] == [True, False]
    assert [client.start(NAME).changed for _ in range(2)] == [True, False]
    assert [client.remove_candidate(NAME).changed for _ in range(2)] == [False, False]
    assert [client.remove(NAME).changed for _ in range(2)] == [True, False]


def test_a_candidate_that_never_answers_is_refused_with_its_log_and_kept_as_evidence(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1)
    lab.engine.mute.add(release(2))
    with pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(2))
    assert code(caught) == "not_healthy"
    assert caught.value.problem.details["log"] == f"{release(2)} starts"
    assert roles(client) == {"current": release(1), "candidate": release(2)}
    assert [one.status for one in client.containers().containers] == ["running", "exited"]
    assert lab.router.get(HOST)[1] == f"{NAME} {release(1)}"


@pytest.mark.parametrize(("fault", "said"), [("crashing", "exit code 1"), ("unstartable", "executable file not found")])
def test_a_candidate_that_cannot_run_is_refused_with_the_reason(
    lab: Droplet, client: AgentClient, fault: str, said: str
) -> None:
    getattr(lab.engine, fault).add(release(1))
    with pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(1))
    assert code(caught) == "not_healthy"
    assert said in caught.value.problem.message


def test_a_refused_candidate_comes_with_what_may_tell_why(lab: Droplet, client: AgentClient) -> None:
    lab.engine.crashing.add(release(1))
    with pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(1, environment={"COLOUR": "blue"}))
    told = caught.value.problem.symptoms
    assert told is not None
    assert (told.status, told.exit_code, told.port, told.listening) == ("exited", 1, 8080, None)
    assert told.log == (f"{release(1)} starts", "FATAL it cannot go on")
    assert "COLOUR" in told.variables
    assert "blue" not in told.model_dump_json()
    assert (told.image_architecture, told.machine_architecture) == ("amd64", "amd64")
    assert told.room is not None


def test_a_sweep_is_told_why_the_current_one_is_unhealthy_and_nothing_of_what_is_well(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1, health={"path": "/up"})
    assert client.node().containers[0].verdict is not None
    assert symptoms(client) is None
    lab.engine.statuses[release(1)] = 404
    told = symptoms(client)
    assert told is not None
    assert [(one.vantage, one.host, one.path, one.status) for one in told.asks] == [
        ("container", HOST, "/up", 404),
        ("container", "", "/up", 404),
        ("nginx", HOST, "/up", 404),
    ]


def symptoms(client: AgentClient) -> wire.Symptoms | None:
    verdict = client.node().containers[0].verdict
    assert verdict is not None
    return verdict.symptoms


def test_whoever_asks_why_is_told_of_a_healthy_one_too(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    assert client.health(NAME).symptoms is None
    told = client.health(NAME, why=True)
    assert told.verdict == "healthy"
    assert told.symptoms is not None
    assert [one.status for one in told.symptoms.asks] == [200, 200, 200]


def test_what_was_stopped_on_purpose_needs_no_cause(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    client.stop(NAME, wire.Stop())
    verdict = client.node().containers[0].verdict
    assert verdict is not None
    assert (verdict.verdict, verdict.symptoms) == ("unhealthy", None)


def test_a_candidate_that_failed_can_be_tried_again(lab: Droplet, client: AgentClient) -> None:
    lab.engine.crashing.add(release(1))
    with pytest.raises(AgentProblem):
        client.prepare(NAME, lab.spec(1))
    lab.engine.crashing.clear()
    assert client.prepare(NAME, lab.spec(1)).changed
    assert client.promote(NAME, wire.Promote(release=release(1))).changed


def test_a_candidate_that_stopped_serving_is_not_promoted(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    client.prepare(NAME, lab.spec(2))
    lab.engine.exit(f"{NAME}.candidate")
    with pytest.raises(AgentProblem) as caught:
        client.promote(NAME, wire.Promote(release=release(2)))
    assert code(caught) == "not_healthy"
    assert lab.router.get(HOST)[1] == f"{NAME} {release(1)}"


def test_a_health_path_that_answers_an_error_is_not_healthy(lab: Droplet, client: AgentClient) -> None:
    lab.engine.statuses[release(1)] = 503
    with pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(1, health={"path": "/up", "start_seconds": 1}))
    assert caught.value.problem.details["probe"].startswith("GET /up at ")
    assert caught.value.problem.details["probe"].endswith(" answered 503")


def test_the_same_release_with_another_specification_is_a_conflict(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    with pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(1, memory_mib=64))
    assert code(caught) == "conflict"


def test_a_host_of_another_service_is_a_conflict(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    with lab.client(OTHER) as other, pytest.raises(AgentProblem) as caught:
        other.prepare(OTHER, lab.spec(1))
    assert code(caught) == "conflict"
    assert HOST in caught.value.problem.message


def test_an_image_that_is_not_here_is_told(lab: Droplet, client: AgentClient) -> None:
    with pytest.raises(AgentProblem) as caught:
        client.prepare(NAME, lab.spec(1).model_copy(update={"image": "sha256:" + "0" * 64}))
    assert code(caught) == "image_missing"


def test_when_nginx_refuses_the_switch_the_release_that_served_serves_on(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    client.prepare(NAME, lab.spec(2))
    lab.router.refusing = "shared memory"
    with pytest.raises(AgentProblem) as caught:
        client.promote(NAME, wire.Promote(release=release(2)))
    assert code(caught) == "router"
    assert roles(client) == {"current": release(1), "candidate": release(2)}
    assert lab.router.get(HOST)[1] == f"{NAME} {release(1)}"
    lab.router.refusing = ""
    assert client.promote(NAME, wire.Promote(release=release(2))).changed


def test_when_nginx_refuses_a_rollback_the_names_go_back_even_if_there_was_a_candidate(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1)
    lab.deploy(2)
    client.prepare(NAME, lab.spec(3))
    lab.router.refusing = "shared memory"
    with pytest.raises(AgentProblem) as caught:
        client.rollback(NAME, wire.Rollback(release=release(1)))
    assert code(caught) == "router"
    assert roles(client) == {"current": release(2), "previous": release(1)}
    assert lab.router.get(HOST)[1] == f"{NAME} {release(2)}"


def test_a_stopped_service_that_is_promoted_again_runs_before_it_is_routed(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    client.stop(NAME, wire.Stop())
    assert lab.router.get(HOST)[0] == 421
    lab.deploy(1)
    assert lab.router.get(HOST) == (200, f"{NAME} {release(1)}")


def test_a_stop_that_means_another_release_is_a_conflict(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    with pytest.raises(AgentProblem) as caught:
        client.stop(NAME, wire.Stop(release=release(9)))
    assert code(caught) == "conflict"
    assert lab.router.get(HOST)[0] == 200


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_service_that_is_not_here_is_told(client: AgentClient, verb: str) -> None:
    with pytest.raises(AgentProblem) as caught:
        getattr(client, verb)(NAME)
    assert code(caught) == "not_found"


def test_undeploying_leaves_no_container_no_route_and_no_secret(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1, secrets={"KEY": "s3cret"})
    lab.deploy(2, secrets={"KEY": "s3cret"})
    client.prepare(NAME, lab.spec(3, secrets={"KEY": "s3cret"}))
    lab.deploy(4, secrets={"KEY": "s3cret"})
    client.prepare(NAME, lab.spec(5, secrets={"KEY": "s3cret"}))
    assert len(lab.engine.secrets) == 4
    client.remove(NAME)
    assert client.containers().containers == ()
    assert client.routes().routes == ()
    assert lab.engine.secrets == {}


def test_the_older_releases_that_are_too_many_go_with_their_secrets_and_their_images(
    lab: Droplet, client: AgentClient
) -> None:
    images = [lab.engine.add_image(f"release {number}".encode(), tag=f"web:{number}").id for number in range(1, 6)]
    for number, image in enumerate(images, 1):
        lab.deploy(number, image=image, secrets={"KEY": f"of {number}"})
    assert client.retire(NAME, wire.Retire(keep=3)).changed
    here = [(one.role, one.release, one.status) for one in client.containers().containers]
    assert sorted(here) == [
        ("current", release(5), "running"),
        ("kept", release(2), "exited"),
        ("kept", release(3), "exited"),
        ("previous", release(4), "exited"),
    ]
    assert set(lab.engine.secrets) == {(NAME, release(number)) for number in (2, 3, 4, 5)}
    assert client.inventory().unused == (images[0],)
    assert client.prune().images == (images[0],)
    assert set(images[1:]) < lab.engine.stock.images.keys()
    assert client.retire(NAME, wire.Retire(keep=3)).changed is False


def test_a_kept_release_serves_again_with_what_it_was_given(lab: Droplet, client: AgentClient) -> None:
    for number in (1, 2, 3):
        lab.deploy(number, secrets={"KEY": f"of {number}"})
    client.retire(NAME, wire.Retire())
    changed = client.rollback(NAME, wire.Rollback(release=release(1)))
    assert lab.router.get(HOST) == (200, f"{NAME} {release(1)}")
    assert lab.engine.secrets[NAME, release(1)] == {"KEY": "of 1"}
    assert {(one.role, one.release) for one in changed.containers} == {
        ("current", release(1)),
        ("previous", release(3)),
        ("kept", release(2)),
    }
    verdicts = {one.role: one.verdict and one.verdict.reason for one in client.node().containers}
    assert verdicts["kept"] == "stopped, and kept for a rollback"


def test_a_release_that_failed_stays_as_evidence_and_is_nothing_to_go_back_to(
    lab: Droplet, client: AgentClient
) -> None:
    for number in (1, 2, 3):
        lab.deploy(number)
    back = wire.Rollback(release=release(2), failed=release(3), previous=release(1))
    client.rollback(NAME, back)
    assert roles(client) == {"current": release(2), "candidate": release(3), "previous": release(1)}
    with pytest.raises(AgentProblem) as caught:
        client.rollback(NAME, wire.Rollback(release=release(3)))
    assert code(caught) == "not_found"
    assert caught.value.problem.message == f"{NAME} has kept {release(1)}, not {release(3)}."
    assert client.logs(NAME, role="candidate").lines[-1].text == f"{release(3)} starts"


def test_a_drain_ends_when_its_time_is_over_even_if_requests_hang(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    lab.router.busy[NAME, release(1)] = 1
    assert client.stop(NAME, wire.Stop()).changed
    assert [one.status for one in client.containers().containers] == ["exited"]


def test_a_healthy_a_degraded_and_a_dead_container_are_told_apart(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    assert client.health(NAME).verdict == "healthy"
    lab.engine.say(NAME, "ERROR the disk is full", "stderr")
    degraded = client.health(NAME)
    assert (degraded.verdict, degraded.evidence["log"]) == ("degraded", "ERROR the disk is full")
    lab.engine.exit(NAME, 3)
    dead = client.health(NAME)
    assert (dead.verdict, dead.reason) == ("unhealthy", "it does not run: exited with exit code 3")


def test_one_observers_check_hides_no_error_from_another_and_no_error_is_told_twice(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1)
    lab.engine.say(NAME, "ERROR the disk is full")
    seen = [client.health(NAME, observer).verdict for observer in ("one", "two", "one", "two")]
    assert seen == ["degraded", "degraded", "healthy", "healthy"]


def test_the_node_tells_everything_at_once(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    lab.router.get(HOST)
    node = client.node()
    assert (node.droplet, node.docker.verdict, node.nginx.verdict) == (lab.settings.droplet, "healthy", "healthy")
    (one,) = node.containers
    assert one.verdict is not None
    assert (one.name, one.verdict.verdict, one.requests_total) == (NAME, "healthy", 1)
    assert node.memory.total > node.memory.free > 0


def test_while_docker_is_down_nothing_is_known_and_the_agent_still_answers(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    lab.engine.down = True
    assert client.health(NAME).verdict == "unknown"
    node = client.node()
    assert (node.docker.verdict, node.containers) == ("unhealthy", ())
    with pytest.raises(AgentProblem) as caught:
        client.containers()
    assert code(caught) == "docker_down"


def test_while_nginx_is_down_containers_are_judged_all_the_same(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    lab.router.down = True
    node = client.node()
    assert node.nginx.verdict == "unhealthy"
    assert [one.verdict and one.verdict.verdict for one in node.containers] == ["healthy"]
    with pytest.raises(AgentProblem) as caught:
        client.routes()
    assert code(caught) == "router"


PAGE = wire.Maintenance(retry_after_seconds=60, message="We move house")


def test_maintenance_is_begun_and_ended_and_whatever_is_asked_twice_changes_nothing(
    lab: Droplet, client: AgentClient
) -> None:
    lab.deploy(1)
    assert [client.begin_maintenance(NAME, PAGE).changed for _ in range(2)] == [True, False]
    assert lab.router.ask(HOST).headers["retry-after"] == "60"
    assert [route.maintenance for route in client.routes().routes] == [PAGE]
    assert [one.maintenance for one in client.node().containers] == [True]
    assert client.health(NAME).verdict == "healthy", "the container is well behind its page"
    assert client.begin_maintenance(NAME, wire.Maintenance()).changed, "another page"
    assert lab.router.ask(HOST).headers["retry-after"] == "300"
    assert [client.end_maintenance(NAME).changed for _ in range(2)] == [True, False]
    assert lab.router.get(HOST) == (200, f"{NAME} {release(1)}")
    assert [one.maintenance for one in client.node().containers] == [False]


def test_a_promotion_keeps_the_page_and_may_bring_one_along(lab: Droplet, client: AgentClient) -> None:
    client.prepare(NAME, lab.spec(1))
    client.promote(NAME, wire.Promote(release=release(1), maintenance=PAGE))
    assert lab.router.ask(HOST).headers["retry-after"] == "60"
    lab.deploy(2)
    assert {one.role: one.maintenance for one in client.containers().containers} == {"current": True, "previous": False}
    client.rollback(NAME, wire.Rollback(release=release(1), maintenance=wire.Maintenance(retry_after_seconds=5)))
    assert lab.router.ask(HOST).headers["retry-after"] == "5"
    client.end_maintenance(NAME)
    assert lab.router.get(HOST) == (200, f"{NAME} {release(1)}")


def test_what_is_not_here_or_has_no_name_cannot_be_under_maintenance(lab: Droplet, client: AgentClient) -> None:
    with pytest.raises(AgentProblem) as caught:
        client.begin_maintenance(NAME, PAGE)
    assert code(caught) == "not_found"
    assert client.end_maintenance(NAME).changed is False
    lab.deploy(1, kind="tcp", hosts=())
    with pytest.raises(AgentProblem, match="it has no name that visitors come to") as caught:
        client.begin_maintenance(NAME, PAGE)
    assert code(caught) == "conflict"


def test_when_nginx_does_not_take_the_page_the_service_serves_on(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    lab.router.refusing = "shared memory"
    with pytest.raises(AgentProblem) as caught:
        client.begin_maintenance(NAME, PAGE)
    assert code(caught) == "router"
    assert lab.router.get(HOST)[0] == 200


def test_undeploying_takes_the_page_along(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    client.begin_maintenance(NAME, PAGE)
    client.remove(NAME)
    assert client.routes().routes == ()
    lab.deploy(2)
    assert lab.router.get(HOST)[0] == 200


def test_a_table_is_written_only_if_it_goes_to_what_is_here(lab: Droplet, client: AgentClient) -> None:
    lab.deploy(1)
    before = client.routes()
    (route,) = before.routes
    for bad, word in ((route.model_copy(update={"port": 1}), "conflict"), (route, "invalid")):
        with pytest.raises(AgentProblem) as caught:
            client.write_routes(wire.Routes(routes=(route, bad) if word == "invalid" else (bad,)))
        assert code(caught) == word
    assert client.routes() == before
    assert client.write_routes(wire.Routes(routes=())) == wire.Routes(routes=())
