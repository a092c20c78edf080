"""Uploads: what is too large for one breath, through the controller's client, over connections that break."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from agent import keys, wire
from agent.client import AgentClient, AgentProblem, AgentUnreachable
from agent.client.transport import options
from agent.server.seal import seal
from agent.server.uploads import AGE_SECONDS, COUNT_LIMIT
from tasks import uploads
from tests.contract.agent.relay import relay
from tests.contract.agent.serving import NAMED, Droplet, droplet
from tests.contract.sandbox.cloudflare.serving import until
from tests.fakes.stock import tar
from tests.unit.agent.builders import DROPLET, LIMITS

CONTENT = os.urandom(6 << 20)
CONTEXT = tar({"Dockerfile": b"FROM hello:1\nCOPY a /a\n", "a": b"a"})
SECRET_STEP = b'FROM hello:1\nCOPY a /a\nRUN --mount=type=secret,id=KEY ["/a"]\n'


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Droplet]:
    with droplet(tmp_path) as running:
        yield running


@pytest.fixture
def client(lab: Droplet) -> Iterator[AgentClient]:
    with lab.client() as made:
        yield made


def digest(content: bytes) -> str:
    """As an upload is known."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def upload(client: AgentClient, content: bytes) -> str:
    """All of it, from its beginning."""
    found = client.upload(digest(content), [content], 0, len(content))
    assert (found.have, found.complete) == (len(content), True)
    return digest(content)


def code(caught: pytest.ExceptionInfo[AgentProblem]) -> str:
    """The word of a refusal."""
    return caught.value.problem.code


@contextlib.contextmanager
def by_way_of(lab: Droplet, port: int) -> Iterator[AgentClient]:
    """A client whose way to the droplet is another port."""
    chosen = options(lab.settings.secret, DROPLET, "127.0.0.1", port)
    with httpx.Client(**chosen, event_hooks=NAMED) as http:
        yield AgentClient(http)


def test_only_the_rest_travels_again_after_a_connection_that_broke_at_sixty_per_cent(lab: Droplet) -> None:
    said: list[str] = []
    content = uploads.of_file(io.BytesIO(CONTENT))
    with relay(lab.port) as way:
        way.cut_after = len(CONTENT) * 6 // 10
        with by_way_of(lab, way.port) as client, pytest.raises(AgentUnreachable):
            uploads.send(client, content, "here", said.append)
        way.cut_after = None
        with lab.client() as direct:
            until(lambda: direct.uploaded(digest(CONTENT)).have > len(CONTENT) // 2, "what came is kept")
        with by_way_of(lab, way.port) as client:
            assert uploads.send(client, content, "here", said.append) == digest(CONTENT)
            assert client.uploaded(digest(CONTENT)).complete
        again = way.sent[-1]
    assert again < len(CONTENT) // 2
    assert said[-2].startswith("here: going on at 3.")
    assert said[-1] == "here: 6.0 of 6.0 MiB sent"


def test_what_is_there_already_is_not_sent_again(lab: Droplet, client: AgentClient) -> None:
    upload(client, CONTENT)
    said: list[str] = []
    uploads.send(client, uploads.of_file(io.BytesIO(CONTENT)), "here", said.append)
    assert said == ["here: all 6.0 MiB are there already"]


def test_an_upload_that_is_something_else_is_refused_and_gone(client: AgentClient) -> None:
    with pytest.raises(AgentProblem, match="What came has the digest") as caught:
        client.upload(digest(b"wanted"), [b"others"], 0, 6)
    assert code(caught) == "digest"
    assert client.uploaded(digest(b"wanted")).have == 0


def test_a_call_that_goes_on_elsewhere_is_told_where_it_ends(client: AgentClient) -> None:
    with pytest.raises(AgentProblem) as caught:
        client.upload(digest(CONTENT), [CONTENT[100:]], 100, len(CONTENT))
    assert (code(caught), caught.value.problem.details) == ("offset", {"have": "0"})


def test_a_call_may_begin_before_the_end_of_what_is_there(lab: Droplet, client: AgentClient) -> None:
    client.upload(digest(CONTENT), [CONTENT[: 2 << 20]], 0, len(CONTENT))
    assert client.uploaded(digest(CONTENT)).have == 2 << 20
    assert client.upload(digest(CONTENT), [CONTENT[1 << 20 :]], 1 << 20, len(CONTENT)).complete


def test_more_than_was_said_is_refused(client: AgentClient) -> None:
    with pytest.raises(AgentProblem) as caught:
        client.upload(digest(b"12345"), [b"123456"], 0, 5)
    assert code(caught) == "too_large"


def test_an_upload_larger_than_the_limit_or_the_disk_is_refused_at_once(tmp_path: Path) -> None:
    for changes in ({"archive_bytes": 1000}, {"spare_bytes": 1 << 60}):
        with droplet(tmp_path / str(len(changes)) / next(iter(changes)), limits=replace(LIMITS, **changes)) as lab:
            with lab.client() as client, pytest.raises(AgentProblem) as caught:
                client.upload(digest(CONTENT), [b""], 0, len(CONTENT))
            assert code(caught) in {"too_large", "disk_full"}
            assert not lab.settings.uploads.exists()


def test_whoever_comes_last_writes(lab: Droplet) -> None:
    first_is_in, let_go, ended = threading.Event(), threading.Event(), []

    def slowly() -> Iterator[bytes]:
        yield CONTENT[: 2 << 20]
        first_is_in.set()
        let_go.wait(20)
        yield CONTENT[2 << 20 :]

    def first() -> None:
        with lab.client() as client:
            try:
                client.upload(digest(CONTENT), slowly(), 0, len(CONTENT))
            except (AgentProblem, AgentUnreachable) as error:
                ended.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert first_is_in.wait(10)
        with lab.client() as second:
            until(lambda: second.uploaded(digest(CONTENT)).have >= 1 << 20, "its first piece is there")
            have = second.uploaded(digest(CONTENT)).have
            found = second.upload(digest(CONTENT), [CONTENT[have:]], have, len(CONTENT))
            assert found.complete
    finally:
        let_go.set()
        thread.join(20)
    assert len(ended) == 1
    with lab.client() as client:
        assert client.uploaded(digest(CONTENT)).complete


def test_a_further_one_takes_the_place_of_that_which_waits_longest(lab: Droplet, client: AgentClient) -> None:
    names = [upload(client, bytes([number])) for number in range(COUNT_LIMIT)]
    os.utime(lab.settings.uploads / f"{names[3][7:]}.whole", (1, _ago(100)))
    upload(client, b"another")
    assert [client.uploaded(name).complete for name in names] == [number != 3 for number in range(COUNT_LIMIT)]


def test_one_that_nobody_went_on_with_goes(lab: Droplet, client: AgentClient) -> None:
    name = upload(client, b"old")
    os.utime(lab.settings.uploads / f"{name[7:]}.whole", (1, _ago(AGE_SECONDS + 10)))
    assert not client.uploaded(name).complete
    assert list(lab.settings.uploads.iterdir()) == []


def _ago(seconds: float) -> float:
    return time.time() - seconds


def test_an_uploaded_context_is_built_and_gone_from_the_uploads(lab: Droplet, client: AgentClient) -> None:
    events = list(client.build_upload(upload(client, CONTEXT), wire.Build(tag="mine:2")))
    assert events[-1].image == client.image("mine:2").model_copy(update={"sizes": ()})
    assert list(lab.settings.uploads.iterdir()) == []


def test_an_uploaded_archive_is_loaded_and_gone_from_the_uploads(
    lab: Droplet, client: AgentClient, tmp_path: Path
) -> None:
    with client.save(wire.ImageSave(image=lab.image.id)) as chunks:
        archive = b"".join(chunks)
    with droplet(tmp_path / "other") as other, other.client() as receiver:
        assert receiver.load_upload(upload(receiver, archive)).id == lab.image.id
        assert list(other.settings.uploads.iterdir()) == []


def test_an_upload_in_which_the_agent_was_killed_is_gone_on_with_by_the_next(tmp_path: Path) -> None:
    with droplet(tmp_path) as lab, lab.client() as client:
        with client.save(wire.ImageSave(image=lab.image.id)) as chunks:
            archive = b"".join(chunks)
        half, image = len(archive) // 2, lab.image.id
        assert not client.upload(digest(archive), [archive[:half]], 0, len(archive)).complete
    with droplet(tmp_path) as lab, lab.client() as client:
        lab.engine.stock.images.clear()
        lab.engine.stock.tags.clear()
        assert client.uploaded(digest(archive)).have == half
        with pytest.raises(AgentProblem, match="is not here"):
            client.load_upload(digest(archive))
        assert client.upload(digest(archive), [archive[half:]], half, len(archive)).complete
        assert lab.engine.images() == (), "a part is no image"
        assert client.load_upload(digest(archive)).id == image
        assert list(lab.settings.uploads.iterdir()) == []


def test_a_context_that_was_refused_stays_for_nobody(lab: Droplet, client: AgentClient) -> None:
    with pytest.raises(AgentProblem) as caught:
        list(client.build_upload(upload(client, b"no tar"), wire.Build(tag="mine:2")))
    assert code(caught) == "context"
    assert "engine.build" not in lab.engine.crashes.calls


def test_what_was_not_uploaded_cannot_be_used(client: AgentClient) -> None:
    for use in (
        lambda: list(client.build_upload(digest(b""), wire.Build(tag="a:1"))),
        lambda: client.load_upload(digest(b"")),
    ):
        with pytest.raises(AgentProblem) as caught:
            use()
        assert code(caught) == "no_upload"


@pytest.mark.parametrize("name", ["sha256:1", "..", "sha256:" + "A" * 64])
def test_a_strange_digest_is_refused(lab: Droplet, name: str) -> None:
    with lab.keyed() as http:
        assert http.put(f"/uploads/{name}", params={"total": 1}, content=b"a").status_code in {404, 405, 422}
    assert not lab.settings.uploads.exists()


def test_an_upload_needs_the_key(lab: Droplet) -> None:
    with lab.http() as http:
        assert http.put(f"/uploads/{digest(b'a')}", params={"total": 1}, content=b"a").status_code == 401
        assert http.get(f"/uploads/{digest(b'a')}").status_code == 401


def test_a_snapshot_carries_no_upload(lab: Droplet, client: AgentClient) -> None:
    upload(client, CONTENT)
    seal(replace(lab.settings, seal_command=("true",)))
    assert not lab.settings.uploads.exists()


def test_a_secret_reaches_the_builder_only_where_it_is_mounted(lab: Droplet, client: AgentClient) -> None:
    context = tar({"Dockerfile": SECRET_STEP, "a": b"a"})
    with pytest.raises(AgentProblem, match="Dockerfile mounts KEY, and no secret of that name was given"):
        list(client.build_upload(upload(client, context), wire.Build(tag="mine:2")))
    order = wire.Build(tag="mine:2", secrets={"KEY": "canary"})
    assert list(client.build_upload(digest(context), order))[-1].image
    assert lab.engine.lent == [{"KEY": "canary"}]
    assert "canary" not in repr(order)


def test_an_agent_that_knows_no_uploads_is_sent_the_stream(lab: Droplet) -> None:
    def old(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={"code": "not_found", "message": "Not Found", "hint": ""})

    headers = {wire.KEY_HEADER: keys.api_key(lab.settings.secret)}
    with httpx.Client(transport=httpx.MockTransport(old), base_url="https://old", headers=headers) as http:
        assert uploads.send(AgentClient(http), lambda: iter([b"a"]), "here", lambda line: None) is None
