"""Build secrets, on the fake and on Docker: mounted for one step, and nowhere afterwards."""

from __future__ import annotations

import io
import itertools
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from agent import contexts, wire
from agent.server.ports import BuildRequest
from fleet.sources import RecipeFile, RecipeSource
from tasks.contexts import pack
from tasks.sources import MOMENT, recipes
from tests.contract.agent import engines
from tests.contract.agent.engines import Lab
from tests.fakes.stock import tar

CANARY = "canary-5f2d81-of-a-build-secret"
READS = "/busybox sha256sum /run/secrets/KEY > /sum; /busybox cat /run/secrets/KEY; /busybox ps > /ps"
NUMBERS = itertools.count(time.time_ns())
"""A step that was built once is not run again; each of these is another one."""
MOUNTED = 'FROM {base}\nCOPY busybox /busybox\nRUN --mount=type=secret,id=KEY ["/busybox", "sh", "-c", "{reads}"]\n'


def mounting(lab: Lab, reads: str = READS) -> list[wire.BuildEvent]:
    """All events of a build that reads a secret."""
    dockerfile = MOUNTED.format(base=f"{lab.repository}:base", reads=f"{reads}; : {next(NUMBERS)}")
    files = {"Dockerfile": dockerfile.encode(), "busybox": engines.BUSYBOX.read_bytes()}
    order = BuildRequest(f"{lab.repository}:mounts", buildkit=True, secrets={"KEY": CANARY})
    context = contexts.rewritten(io.BytesIO(tar(files)))
    with closing(lab.engine.build(context, order)) as stream:
        return list(stream)


def test_a_build_that_mounts_a_secret_gives_an_image_on_the_base_that_is_here(lab: Lab) -> None:
    events = mounting(lab)
    assert events[-1].image, events
    base = lab.engine.image(f"{lab.repository}:base").layers
    assert lab.engine.image(f"{lab.repository}:mounts").layers[: len(base)] == base


def test_the_classic_builder_mounts_nothing(lab: Lab) -> None:
    dockerfile = MOUNTED.format(base=f"{lab.repository}:base", reads="true")
    events = engines.built(lab.engine, f"{lab.repository}:mounts", dockerfile, busybox=b"")
    assert "requires BuildKit" in (events[-1].error or "")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.mark.docker
def test_a_secret_is_in_no_layer_no_history_no_line_and_on_no_disk_afterwards(real: Path) -> None:
    with engines.docker(real) as lab:
        events = mounting(lab)
        assert events[-1].image, events
        said = [event.line for event in events if event.line]
        assert any("…" in line for line in said), "the step printed it"
        with closing(lab.engine.save(events[-1].image.id)) as stream:
            archive = b"".join(stream)
        history = subprocess.run(
            ["docker", "history", "--no-trunc", events[-1].image.id], capture_output=True, check=True, timeout=30
        )
        assert CANARY.encode() not in archive
        assert CANARY.encode() not in history.stdout
        assert not any(CANARY in line for line in said)
        assert not any(path.is_file() for path in real.rglob("*"))


@pytest.mark.docker
def test_a_step_that_fails_ends_with_its_last_words_without_the_secret(real: Path) -> None:
    with engines.docker(real) as lab:
        events = mounting(lab, "/busybox cat /run/secrets/KEY && exit 3")
    assert "exit code: 3" in (events[-1].error or "")
    assert CANARY not in repr(events)


@pytest.mark.docker
def test_a_build_that_nobody_waits_for_any_more_ends_and_leaves_no_secret(real: Path) -> None:
    with engines.docker(real) as lab:
        dockerfile = MOUNTED.format(base=f"{lab.repository}:base", reads="/busybox echo begun; /busybox sleep 60")
        files = {"Dockerfile": dockerfile.encode(), "busybox": engines.BUSYBOX.read_bytes()}
        order = BuildRequest(f"{lab.repository}:left", buildkit=True, secrets={"KEY": CANARY})
        stream = lab.engine.build(contexts.rewritten(io.BytesIO(tar(files))), order)
        for event in stream:
            if (event.line or "").endswith(" begun"):
                break
        stream.close()
        stream.close()
        assert not any(path.is_file() for path in real.rglob("*"))


@pytest.mark.docker
def test_a_recipe_builds_to_an_image_with_its_files(real: Path, tmp_path: Path) -> None:
    with engines.docker(real) as lab:
        files = (RecipeFile("/etc/motd", "Hello.\n"), RecipeFile("/usr/bin/run", "#!/busybox sh\n", "755"))
        recipes.write(RecipeSource((), files, f"{lab.repository}:base"), tmp_path)
        with pack(tmp_path, "Dockerfile", moment=MOMENT) as archive:
            order = BuildRequest(f"{lab.repository}:recipe")
            with closing(lab.engine.build(contexts.rewritten(archive), order)) as stream:
                made = list(stream)[-1].image
        assert made
        listed = subprocess.run(
            ["docker", "run", "--rm", "--network=none", made.id, "/busybox", "ls", "-l", "/etc/motd", "/usr/bin/run"],
            capture_output=True, check=True, text=True, timeout=60,
        ).stdout.splitlines()  # fmt: skip
    assert [line.split()[0] for line in listed] == ["-rw-r--r--", "-rwxr-xr-x"]
