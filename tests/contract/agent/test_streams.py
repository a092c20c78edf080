"""What flows through the agent: logs, builds and archives, through the controller's client and as bare HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from agent import wire
from agent.client import AgentClient, AgentProblem
from agent.server.work import STREAMS
from tests.contract.agent.engines import context
from tests.contract.agent.serving import Droplet, droplet
from tests.contract.sandbox.cloudflare.serving import until
from tests.fakes.stock import tar, untar
from tests.unit.agent.builders import HOST, LIMITS, NAME, release
from tests.unit.agent.test_contexts import REACHES_OUT, packed

LOGS = f"/containers/{NAME}/logs"
STRANGE = ["news", "more\twith a tab", "\x1b[31mred\u2028", "\x85\x1e\x0c", "ключ"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.client() as made:
        yield made


@pytest.fixture
def talkative(lab: Droplet) -> Droplet:
    """A service that has written three lines, after its first one."""
    lab.deploy(1)
    for number in range(3):
        lab.engine.say(NAME, f"line {number}", "stderr" if number == 1 else "stdout")
    return lab


def texts(logs: wire.Logs) -> list[str]:
    return [line.text for line in logs.lines]


def test_a_log_is_the_end_of_what_was_written_and_says_if_it_was_cut(talkative: Droplet, client: AgentClient) -> None:
    whole = client.logs(NAME)
    assert texts(whole) == [f"{release(1)} starts", "line 0", "line 1", "line 2"]
    assert [line.stream for line in whole.lines] == ["stdout", "stdout", "stderr", "stdout"]
    assert not whole.truncated
    tail = client.logs(NAME, tail=2)
    assert (texts(tail), tail.truncated) == (["line 1", "line 2"], True)


def test_a_log_since_a_time_begins_there(talkative: Droplet, client: AgentClient) -> None:
    second = client.logs(NAME).lines[2]
    assert texts(client.logs(NAME, since=second.at)) == ["line 1", "line 2"]
    assert texts(client.logs(NAME, since=second.at + timedelta(hours=1))) == []


def test_without_a_role_the_log_is_that_of_what_there_is(lab: Droplet, client: AgentClient) -> None:
    client.prepare(NAME, lab.spec(1))
    assert texts(client.logs(NAME)) == [f"{release(1)} starts"]
    with pytest.raises(AgentProblem) as caught:
        client.logs(NAME, role="previous")
    assert caught.value.problem.code == "not_found"


def test_a_followed_log_tells_what_is_written_while_it_is_read(talkative: Droplet) -> None:
    with talkative.keyed() as http, http.stream("GET", LOGS, params={"follow": True, "tail": 1}) as reply:
        lines = (wire.LogLine.model_validate_json(line).text for line in reply.iter_lines())
        seen = [next(lines)]
        for text in STRANGE:
            talkative.engine.say(NAME, text)
            seen.append(next(lines))
        talkative.engine.exit(NAME)
        assert list(lines) == []
    assert seen == ["line 2", *STRANGE]


def test_a_reader_who_leaves_frees_the_place_of_his_stream(talkative: Droplet) -> None:
    with talkative.keyed() as http:
        for _ in range(STREAMS + 2):
            with http.stream("GET", LOGS, params={"follow": True}) as reply:
                next(reply.iter_lines())
        until(lambda: _followed(http) == 200, "a place is free")


def _followed(http: httpx.Client) -> int:
    try:
        with http.stream("GET", LOGS, params={"follow": True}) as reply:
            next(reply.iter_lines())
            return reply.status_code
    except (httpx.TransportError, StopIteration):
        return 0


def test_a_build_streams_its_output_and_ends_with_the_image(lab: Droplet, client: AgentClient) -> None:
    events = list(client.build(context("FROM hello:1\nCOPY a /a\n", a=b"a"), "mine:2"))
    assert [event.line for event in events[:-1]] == ["Step 1/2 : FROM hello:1", "Step 2/2 : COPY a /a"]
    assert events[-1].image == client.image("mine:2").model_copy(update={"sizes": ()})
    assert client.image("mine:2").layers[:2] == lab.image.layers


def test_whatever_a_build_prints_arrives_as_one_line_each(client: AgentClient) -> None:
    events = list(client.build(context('FROM hello:1\nLABEL a="\u2028\u0085"\n'), "mine:2"))
    assert events[1].line == 'Step 2/2 : LABEL a="\u2028\u0085"'
    assert events[-1].image


@pytest.mark.parametrize("dockerfile", ["FROM nothing:1\n", "FROM scratch\nCOPY absent /a\n", ""])
def test_a_build_that_fails_says_so_in_its_last_event(client: AgentClient, dockerfile: str) -> None:
    events = list(client.build(context(dockerfile), "mine:2"))
    assert events[-1].error
    assert all(event.image is None for event in events)


@pytest.mark.parametrize(
    "params",
    [
        {"tag": "UPPER"},
        {"tag": "a b"},
        {"tag": "-x"},
        {"tag": "a", "dockerfile": "/etc/passwd"},
        {"tag": "a", "dockerfile": "../Dockerfile"},
        {},
    ],
)
def test_a_build_with_a_strange_name_is_refused(lab: Droplet, params: dict[str, str]) -> None:
    with lab.keyed() as http:
        reply = http.post("/images/build", params=params, content=b"")
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid")
    assert "engine.build" not in lab.engine.crashes.calls


@pytest.mark.parametrize("name", REACHES_OUT)
def test_a_context_that_reaches_out_is_refused_before_anything_is_built(
    lab: Droplet, tmp_path: Path, name: str
) -> None:
    members, why = REACHES_OUT[name]
    with lab.client() as client, pytest.raises(AgentProblem, match=why) as caught:
        list(client.build([packed(*members).getvalue()], "mine:2"))
    assert caught.value.problem.code == "context"
    assert "engine.build" not in lab.engine.crashes.calls
    assert list(lab.settings.spool.iterdir()) == []
    assert {path.name for path in tmp_path.rglob("*")} == {"state", "spool", "leases.json", "run", "agent.pem"}


@pytest.mark.parametrize(
    "dockerfile", [b"# syntax=evil/frontend\nFROM hello:1\n", b"FROM hello:1\nRUN --network=host true\n"]
)
def test_a_dockerfile_that_reaches_out_is_refused_before_anything_is_built(
    lab: Droplet, client: AgentClient, dockerfile: bytes
) -> None:
    with pytest.raises(AgentProblem, match="The build context cannot be built: its Dockerfile") as caught:
        list(client.build([packed(dockerfile=dockerfile).getvalue()], "mine:2"))
    assert caught.value.problem.code == "context"
    assert "engine.build" not in lab.engine.crashes.calls


def test_a_partial_archive_lacks_what_the_receiver_has_and_loads_there(
    lab: Droplet, client: AgentClient, tmp_path: Path
) -> None:
    base, child = lab.image, list(client.build(context("FROM hello:1\nCOPY a /a\n", a=b"a"), "mine:2"))[-1].image
    assert child is not None
    with droplet(tmp_path / "other") as other, other.client() as receiver:
        assert other.image == base
        query = wire.ImageQuery(image=child.id, layers=child.layers)
        missing = receiver.missing(query)
        assert (missing.present, missing.missing) == (False, child.layers[2:])
        with client.save(wire.ImageSave(image=child.id, omit=base.layers)) as chunks:
            archive = b"".join(chunks)
        assert [name for name in untar(archive) if name.endswith("layer.tar")] == [f"{child.layers[2][7:]}/layer.tar"]
        assert receiver.load([archive]).id == child.id
        assert receiver.missing(query) == wire.ImageMissing(present=True, missing=())


def test_an_archive_that_lacks_a_layer_is_refused_with_the_reason(client: AgentClient) -> None:
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "Layers": ["gone/layer.tar"]}]).encode()
    with pytest.raises(AgentProblem) as caught:
        client.load([tar({name: config, "manifest.json": manifest})])
    assert caught.value.problem.code == "load_failed"
    assert "no such file" in caught.value.problem.message


@pytest.mark.parametrize("body", [b"", b"not a tar archive", b"\0" * 20480])
def test_a_body_that_is_no_image_is_refused_before_docker_sees_it(
    lab: Droplet, client: AgentClient, body: bytes
) -> None:
    with pytest.raises(AgentProblem) as caught:
        client.load([body])
    assert caught.value.problem.code == "invalid"
    assert "engine.load" not in lab.engine.crashes.calls


@pytest.mark.parametrize(("was", "became", "code"), [(b"linux", b"lynux", "invalid"), (b"one", b"ane", "load_failed")])
def test_an_archive_that_was_changed_on_its_way_is_refused_and_what_serves_serves_on(
    lab: Droplet, client: AgentClient, was: bytes, became: bytes, code: str
) -> None:
    lab.deploy(1)
    with client.save(wire.ImageSave(image=lab.image.id)) as chunks:
        archive = b"".join(chunks)
    lab.engine.stock.blobs.clear()
    with pytest.raises(AgentProblem) as caught:
        client.load([archive.replace(was, became)])
    assert caught.value.problem.code == code
    assert lab.router.get(HOST)[0] == 200


def test_an_archive_of_two_images_is_refused(client: AgentClient) -> None:
    with pytest.raises(AgentProblem, match="2 images"):
        client.load([tar({"manifest.json": b'[{"Config": "a"}, {"Config": "b"}]'})])


def test_saving_what_is_not_here_is_told_before_the_first_byte(client: AgentClient) -> None:
    wanted = wire.ImageSave(image="sha256:" + "0" * 64)
    with pytest.raises(AgentProblem) as caught, client.save(wanted):
        pass
    assert caught.value.problem.code == "not_found"


def test_what_was_saved_and_loaded_leaves_nothing_in_the_spool(lab: Droplet, client: AgentClient) -> None:
    with client.save(wire.ImageSave(image=lab.image.id)) as chunks:
        client.load([b"".join(chunks)])
    assert list(lab.settings.spool.iterdir()) == []


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path) -> None:
    with droplet(tmp_path, limits=replace(LIMITS, spare_bytes=1 << 60)) as lab, lab.client() as client:
        with pytest.raises(AgentProblem) as caught:
            client.load([b"x" * 1000])
        assert caught.value.problem.code == "disk_full"
        assert client.missing(wire.ImageQuery(image=f"sha256:{'0' * 64}", layers=())).free == 0
        lab.engine.stock.registry["hello:2"] = (b"pulled",)
        with pytest.raises(AgentProblem) as caught:
            client.pull("hello:2")
        assert caught.value.problem.code == "disk_full"


def test_whoever_asks_for_what_is_missing_is_told_what_is_free_and_what_each_layer_weighs(
    lab: Droplet, client: AgentClient
) -> None:
    absent = wire.ImageQuery(image=f"sha256:{'0' * 64}", layers=lab.image.layers[:1])
    answer = client.missing(absent)
    assert (answer.present, answer.missing) == (False, ())
    assert (answer.free or 0) > 0
    assert client.image(lab.image.id).sizes == (3, 3)


def test_pruning_spares_what_runs_and_what_arrived_just_now(lab: Droplet, client: AgentClient) -> None:
    loose, used = lab.engine.add_image(b"loose"), lab.engine.add_image(b"used")
    client.prepare(NAME, lab.spec(1).model_copy(update={"image": used.id}))
    fresh = lab.engine.add_image(b"fresh")
    client.missing(wire.ImageQuery(image=fresh.id, layers=fresh.layers))
    assert client.prune().images == (loose.id,)


def test_a_pull_ends_with_the_image_or_with_dockers_words(lab: Droplet, client: AgentClient) -> None:
    lab.engine.stock.registry["hello:2"] = (b"pulled",)
    assert client.pull("hello:2").tags == ("hello:2",)
    with pytest.raises(AgentProblem, match="not found") as caught:
        client.pull("hello:3")
    assert caught.value.problem.code == "pull_failed"


def test_only_so_many_streams_flow_at_once(talkative: Droplet) -> None:
    let_go, inside = threading.Event(), threading.Semaphore(0)

    def follow() -> None:
        with talkative.keyed() as http, http.stream("GET", LOGS, params={"follow": True}) as reply:
            lines = reply.iter_lines()
            next(lines)
            inside.release()
            let_go.wait(20)

    threads = [threading.Thread(target=follow) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    try:
        assert all(inside.acquire(timeout=10) for _ in threads)
        with talkative.client() as client:
            with pytest.raises(AgentProblem) as caught, client.save(wire.ImageSave(image=talkative.image.id)):
                pass
            assert caught.value.problem.code == "busy"
            assert texts(client.logs(NAME))
            assert "streams flow already" in (list(client.build(context("FROM hello:1\n"), "mine:2"))[-1].error or "")
        with talkative.keyed() as http:
            refused = http.get(LOGS, params={"follow": True})
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    finally:
        let_go.set()
        for thread in threads:
            thread.join(20)
    with talkative.client() as client, client.save(wire.ImageSave(image=talkative.image.id)) as chunks:
        assert b"".join(chunks)


def test_while_docker_is_down_no_archive_begins(lab: Droplet, client: AgentClient) -> None:
    lab.engine.down = True
    with pytest.raises(AgentProblem) as caught, client.save(wire.ImageSave(image=lab.image.id)):
        pass
    assert caught.value.problem.code == "docker_down"
