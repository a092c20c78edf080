"""Seeded faults on real containers: each is refused, and its one cause is named from what the droplet tells."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from agent import wire
from agent.server import instances, rollout, symptoms
from agent.server.errors import Failure
from agent.server.slots import Service
from fleet.remediation.causes import Cause
from tasks.agents import Unproven, translate
from tests.contract.agent import engines
from tests.contract.agent.engines import Lab
from tests.fakes.router import FakeRouter
from tests.fakes.stock import tar, untar
from tests.unit.agent.builders import HOST, NAME, spec

pytestmark = pytest.mark.docker

CGI = """FROM scratch
COPY busybox /bin/sh
COPY busybox /bin/httpd
COPY named /www/cgi-bin/named
COPY broken /www/cgi-bin/broken
CMD ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]
"""
NAMED = f"""#!/bin/sh
if [ "$HTTP_HOST" = "{HOST}" ]; then echo "Status: 400 Bad Request"; else echo "Status: 200 OK"; fi
echo; echo "Invalid or not"
"""
BROKEN = "#!/bin/sh\necho 'Status: 500 Internal Server Error'; echo; echo broken\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with engines.docker(tmp_path_factory.mktemp("engine")) as lab:
        yield lab


@pytest.fixture
def lab(shared: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(instances, "STOP_SECONDS", 0)  # the first process of a container does not heed SIGTERM
    yield shared
    for one in shared.engine.instances():
        shared.engine.remove(one.full_name)


def cause(lab: Lab, *command: str, image: str = "", **changes: Any) -> Cause:
    """What a person is told of a candidate with this command, which must be refused."""
    given = {"command": command, "memory_mib": 64, **changes}
    with pytest.raises(Failure) as caught:
        rollout.prepare(Service(lab.engine, FakeRouter(), NAME), spec(1, image or lab.image.id, **given))
    said = wire.Problem.model_validate_json(caught.value.problem.model_dump_json())
    error = translate("demo-1", said)
    assert isinstance(error, Unproven)
    assert error.cause is not None, said.symptoms
    assert f"Cause: {error.cause.word}: " in str(error)
    return error.cause


def script(text: str) -> tuple[str, ...]:
    """A command that runs a line of shell."""
    return ("/busybox", "sh", "-c", text)


def answering(lab: Lab) -> str:
    """An image whose server answers by a program; its id."""
    busybox = engines.BUSYBOX.read_bytes()
    files = {"busybox": busybox, "named": NAMED.encode(), "broken": BROKEN.encode()}
    made = engines.built(lab.engine, f"{lab.repository}:cgi", CGI, **files)[-1]
    assert made.image is not None, made.error
    return made.image.id


def test_a_port_that_is_not_the_one_it_listens_on(lab: Lab) -> None:
    found = cause(lab, "/busybox", "httpd", "-f", "-p", "3000", "-h", "/")
    assert found.word == "wrong port"
    assert found.proof == ("it should listen on port 8080 for everybody", "it listens on :::3000")


def test_a_port_that_only_the_container_itself_reaches(lab: Lab) -> None:
    found = cause(lab, "/busybox", "httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/")
    assert found.word == "wrong port"
    assert found.proof[1] == "it listens on 127.0.0.1:8080"


def test_a_start_that_takes_longer_than_it_may(lab: Lab) -> None:
    found = cause(lab, *script("echo warming up; /busybox sleep 60"))
    assert found.word == "slow start"
    assert "1 s that it may take to start" in found.proof[0]


def test_too_little_memory(lab: Lab) -> None:
    hungry = "/busybox dd if=/dev/zero of=/dev/null bs=200M count=1"
    found = cause(lab, *script(f"exec {hungry}"), memory_mib=16, health={"start_seconds": 10})
    assert found.word == "out of memory"
    assert found.proof == ("the kernel killed it for its memory", "exit code 137")


def test_a_variable_that_was_not_given(lab: Lab) -> None:
    found = cause(lab, *script(": ${DATABASE_URL:?}; exec /busybox httpd -f -p 8080"), health={"start_seconds": 10})
    assert found.word == "missing variable"
    assert found.proof[0] == "DATABASE_URL was not given"


def test_a_secret_is_not_in_what_a_person_reads(lab: Lab) -> None:
    found = cause(lab, *script("echo password=hunter22; exit 3"), health={"start_seconds": 10})
    assert found.word == "crash loop"
    assert "hunter22" not in str(found)
    assert any("password=" in line for line in found.proof)


def test_a_process_that_ends_again_and_again(lab: Lab) -> None:
    found = cause(lab, *script("echo it gives up; exit 3"), health={"start_seconds": 10})
    assert found.word == "crash loop"
    assert "exit code 3" in found.proof[0]
    assert "it gives up" in found.proof


def test_a_command_that_is_not_in_the_image(lab: Lab) -> None:
    found = cause(lab, "/serve")
    assert found.word == "does not start"
    assert "/serve" in found.proof[0]


def test_an_image_for_another_processor(lab: Lab) -> None:
    found = cause(lab, image=foreign(lab), health={"start_seconds": 5})
    assert found.word == "image architecture"
    assert found.proof[0].startswith("the image is for riscv64, the droplet is ")


def test_a_host_header_that_the_program_refuses(lab: Lab) -> None:
    health = {"path": "/cgi-bin/named", "start_seconds": 1}
    found = cause(lab, image=answering(lab), health=health)
    assert found.word == "Host header"
    assert found.proof[0] == f"container as {HOST} /cgi-bin/named: 400"


def test_a_health_path_that_is_not_there(lab: Lab) -> None:
    found = cause(lab, health={"path": "/up", "start_seconds": 1})
    assert (found.word, found.proof) == ("health path", (f"container as {HOST} /up: 404",))


def test_an_error_of_the_program_itself(lab: Lab) -> None:
    found = cause(lab, image=answering(lab), health={"path": "/cgi-bin/broken", "start_seconds": 1})
    assert (found.word, found.proof) == ("service error", (f"container as {HOST} /cgi-bin/broken: 500",))


def test_a_disk_without_room(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], check=True)
    try:
        monkeypatch.setattr(symptoms, "PLACE", tmp_path)
        found = cause(lab, *script("echo cannot write; exit 1"), health={"start_seconds": 10})
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert (found.word, found.proof) == ("disk full", ("1 MiB of the disk are free",))


def foreign(lab: Lab) -> str:
    """The id of an image that says that it is for another processor, and holds nothing that this one could run."""
    stream = lab.engine.save(lab.image.id)
    files = untar(b"".join(stream))
    manifest = json.loads(files["manifest.json"])
    config = json.loads(files[manifest[0]["Config"]])
    assert config["rootfs"]["diff_ids"]
    machine = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(200)  # of RISC-V
    layer = tar({"app": machine})
    config |= {"architecture": "riscv64", "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}, "history": []}
    config["config"] = {**config["config"], "Cmd": ["/app"]}
    text = json.dumps(config).encode()
    id = digest(text)
    entry = [{"Config": f"{id[7:]}.json", "RepoTags": [f"{lab.repository}:foreign"], "Layers": ["one/layer.tar"]}]
    archive = {f"{id[7:]}.json": text, "one/layer.tar": layer, "manifest.json": json.dumps(entry).encode()}
    lab.engine.load(BytesIO(tar(archive)))
    return id


def digest(content: bytes) -> str:
    """As Docker names things."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
