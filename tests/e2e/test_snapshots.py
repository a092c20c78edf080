"""Snapshots on real machines: what is made from one is not its twin, and a bad one is rejected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import pytest

from agent import keys
from blocks.environment import Environment
from blocks.snapshot import Snapshot
from fleet import lineage, naming
from fleet.state import Droplet, DropletRequest
from tasks import droplets, probes, sealing
from tasks.probes import Made
from tasks.snapshots import SnapshotOrder, take_snapshot, user_data
from tests.e2e.kills import kill_at_step
from tests.e2e.lab import Lab, reference
from tests.e2e.scenes import sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


@pytest.fixture(scope="module")
def environment(installation: Lab, snapshots: dict[str, str]) -> Environment:
    return cast(Environment, Environment.load("lab-prod"))


@contextmanager
def droplet(environment: Environment, image: str, intent: str) -> Iterator[Droplet]:
    """A droplet from a snapshot, whose agent answers."""
    request = DropletRequest(
        name=f"probe-{intent}",
        region=environment.region,
        size=environment.size,
        image=image,
        tags=frozenset({naming.TAG}),
        intent=intent,
        user_data=user_data(environment)(f"probe-{intent}"),
    )
    made = droplets.ensure_droplet.fn(request, environment.digitalocean)
    try:
        yield droplets.wait_ready.fn(droplets.wait_active.fn(made, environment.digitalocean), environment)
    finally:
        droplets.remove_droplet.fn(made, environment.digitalocean)


def test_both_snapshots_are_ready_and_say_what_is_in_them(
    environment: Environment, installation: Lab, snapshots: dict[str, str]
) -> None:
    found = {one.id: one for one in installation.cloud().snapshots.read_all()}
    base, custom = found[snapshots["base"]], found[snapshots["custom"]]
    assert [naming.snapshot_state(one.tags) for one in (base, custom)] == ["ready", "ready"]
    known = lineage.read(custom.description)
    assert (known.parent, known.image[:7]) == (base.id, "sha256:")
    assert 0 < known.ready_seconds < 60
    block = cast(Snapshot, Snapshot.load("lab-python"))
    assert block.packages["nginx"].startswith("1.22")
    assert block.base_image == known.image
    left = installation.cloud().droplets.read_tagged(naming.BAKE_TAG)
    assert left == []


def test_two_droplets_from_one_snapshot_differ_in_all_that_tells_machines_apart(
    environment: Environment, installation: Lab, snapshots: dict[str, str]
) -> None:
    with (
        droplet(environment, snapshots["custom"], "aaaaaaaaaaaa-1") as one,
        droplet(environment, snapshots["custom"], "bbbbbbbbbbbb-1") as two,
    ):
        for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/var/lib/deployer/tls/certificate.pem"):
            here, there = (installation.inside(name, "cat", path) for name in (one.name, two.name))
            assert here != there, path
            assert len(here.strip()) >= 32
        token = environment.digitalocean.token.get_secret_value()
        certificates = {keys.identity(keys.droplet_secret(token, each.name), each.name) for each in (one, two)}
        assert len(certificates) == 2


def spoilt(environment: Environment, lab: Lab, image: str, name: str, *commands: str) -> tuple[Made, SnapshotOrder]:
    """A custom snapshot of a droplet on which something was done before it was sealed."""
    with droplet(environment, image, _intent(name)) as one:
        origin = probes.built(one, image, environment)
        sealing.seal.fn(one, environment)
        for command in commands:
            lab.inside(one.name, "sh", "-c", command)
        droplets.power_off.fn(one, environment.digitalocean)
        taken = take_snapshot(one, name, naming.snapshot_tags("custom"), environment.digitalocean)
    return Made(taken, origin), SnapshotOrder(name, "custom", environment.title(), image)


BAD = "left-open"
REASONS = (
    "an SSH server answers on port 22",
    "sshd can be started",
    "left a secret of the droplet that it was built on in /opt/note",
)


def test_a_bad_snapshot_is_rejected_with_all_its_reasons(
    environment: Environment, installation: Lab, snapshots: dict[str, str]
) -> None:
    mark = keys.droplet_secret(environment.digitalocean.token.get_secret_value(), f"probe-{_intent(BAD)}")
    bad = ("systemctl unmask ssh.service ssh.socket; systemctl enable ssh.service", f"echo {mark} > /opt/note")
    made, order = spoilt(environment, installation, snapshots["custom"], BAD, *bad)
    told = _judged(made, order, environment)
    assert all(reason in told for reason in REASONS), told
    assert BAD not in _offered()
    state = next(one for one in installation.cloud().snapshots.read_all() if one.name == BAD)
    assert naming.snapshot_state(state.tags) == "rejected"
    assert installation.cloud().droplets.read_tagged(naming.BAKE_TAG) == []


@pytest.mark.long
def test_a_snapshot_whose_agent_cannot_start_is_rejected(
    environment: Environment, installation: Lab, snapshots: dict[str, str]
) -> None:
    name = "no-agent"
    made, order = spoilt(environment, installation, snapshots["custom"], name, "rm /opt/deployer/bin/python")
    told = _judged(made, order, environment)
    assert "its agent gave no healthy answer" in told
    assert name not in _offered()
    state = next(one for one in installation.cloud().snapshots.read_all() if one.name == name)
    assert naming.snapshot_state(state.tags) == "rejected"
    assert left_of_bakes(installation) == []


def left_of_bakes(lab: Lab) -> list[str]:
    """Droplets, keys and firewalls of any bake."""
    with sandbox(lab, "digitalocean") as client:
        made = client.get("/v2/account/keys").json()["ssh_keys"] + client.get("/v2/firewalls").json()["firewalls"]
    named = [one["name"] for one in made if one["name"].startswith(naming.BAKE_TAG)]
    return named + [one.name for one in lab.cloud().droplets.read_tagged(naming.BAKE_TAG)]


@pytest.mark.long
def test_a_bake_that_is_killed_leaves_nothing_once_the_next_one_is_through(
    environment: Environment, installation: Lab
) -> None:
    wanted = {"environment": reference("environment", "lab-prod"), "name": "killed-base", "kind": "base"}
    assert kill_at_step(installation.start("build-snapshot", **wanted), ": bake")
    assert len(left_of_bakes(installation)) == 3, "a droplet, a key and a firewall"
    assert "killed-base" not in _offered()
    again = installation.run("build-snapshot", **wanted)
    assert again.completed, again.log
    assert "killed-base" in _offered()
    assert left_of_bakes(installation) == []


def _intent(name: str) -> str:
    return f"{naming.owner(name)}{naming.owner(name)}-1"


def _judged(made: Made, order: SnapshotOrder, environment: Environment) -> str:
    from prefect import flow

    @flow
    def prove() -> str:
        with suppress(Exception):
            probes.prove(made, order, environment)
        found: Any = environment.digitalocean.client().snapshots.read_all()
        return next(str(lineage.read(one.description).reason) for one in found if one.id == made.snapshot.id)

    return prove()


def _offered() -> list[str]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return [str(one.name) for one in client.read_block_documents_by_type("snapshot")]
