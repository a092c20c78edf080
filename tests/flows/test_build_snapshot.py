"""Snapshots, made on fakes: proven before they are offered, and nothing left over, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.base_image import BaseImage
from blocks.snapshot import Snapshot as SnapshotBlock
from fleet import lineage, naming
from fleet.errors import PermanentError, TransientError
from fleet.state import Action, Snapshot
from flows.build_snapshot import build_snapshot
from tests.fakes.router import Killed
from tests.fakes.shell import FakeShell
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import Fleet
from tests.flows.machines import Machine
from tests.flows.test_base_images import saved

NAME = "shop-custom"


def bases(fleet: Fleet) -> SnapshotBlock:
    """The base snapshot's block."""
    return SnapshotBlock.of(fleet.snapshot)


def build(fleet: Fleet, **changes: Any) -> None:
    """A run that makes a custom snapshot."""
    given = {"name": NAME, "kind": "custom", "base": bases(fleet), "context": str(fleet.context)}
    build_snapshot(fleet.environment(), **{**given, **changes})


def named(fleet: Fleet, name: str = NAME) -> list[Snapshot]:
    """The snapshots of a name."""
    return [one for one in fleet.cloud.snapshots.all.values() if one.name == name]


def states(fleet: Fleet, name: str = NAME) -> list[str]:
    """What they are."""
    return [naming.snapshot_state(one.tags) for one in named(fleet, name)]


def nothing_is_left(fleet: Fleet) -> bool:
    """No droplet, key or firewall of a build."""
    return not (fleet.droplets.all or fleet.cloud.keys.all or fleet.cloud.firewalls.all)


def probed(fleet: Fleet, change: Callable[[Machine], None]) -> None:
    """Lets a machine that boots from a new snapshot be changed before its agent starts."""
    boot = fleet.droplets._boot

    def changed(request: Any, address: str, folder: Path) -> Machine:
        made = boot(request, address, folder)
        if any(tag.endswith(":probe") for tag in request.tags):
            change(made)
        return made

    fleet.droplets._boot = changed


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> FakeShell:
    """What is at the other end of SSH."""
    made = FakeShell()
    monkeypatch.setattr("tasks.bake.shell.connect", lambda *_: made)
    monkeypatch.setattr("tasks.bake.sealing.answers", lambda *_: False)
    return made


def test_a_custom_snapshot_is_ready_once_a_droplet_from_it_was_examined(fleet: Fleet) -> None:
    build(fleet)
    assert states(fleet) == ["ready"]
    known = lineage.read(named(fleet)[0].description)
    assert (known.parent, known.image) == (fleet.snapshot.id, "sha256:" + "ab" * 32)
    assert known.packages == lineage.digest({"docker.io": "20.10.24", "nginx": "1.22.1"})
    assert nothing_is_left(fleet)
    page = latest(f"snapshot-{NAME}")
    assert "ready: a droplet was made from it and examined" in page
    assert "| nginx | 1.22.1 |" in page


def test_a_base_snapshot_is_ready_once_a_droplet_from_it_was_examined(fleet: Fleet, shell: FakeShell) -> None:
    build_snapshot(fleet.environment(), "shop-base", "base")
    assert states(fleet, "shop-base") == ["ready"]
    assert nothing_is_left(fleet)
    assert shell.lines.index("install packages") < shell.lines.index("close SSH")


def test_building_it_again_makes_nothing(fleet: Fleet) -> None:
    build(fleet)
    made = named(fleet)
    build(fleet)
    assert named(fleet) == made
    assert "was there already: nothing was made" in latest(f"snapshot-{NAME}")


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "port 22 is open": ({"listening": (22, 9999)}, "an SSH server answers on port 22"),
    "sshd is not masked": ({"ssh": ("ssh.service",)}, r"sshd can be started \(ssh.service\)"),
    "nginx is not valid": ({"nginx": "unknown directive"}, "nginx does not take its configuration: unknown directive"),
    "Docker runs nothing": ({"docker": "no such image"}, "Docker runs no container: no such image"),
    "there is no base image": ({"image": ""}, "local/base:latest is not there"),
    "a key may log in": ({"leftovers": ("/root/.ssh/authorized_keys",)}, "left /root/.ssh/authorized_keys"),
    "a secret was found": (
        {"found": ({"mark": 0, "path": "/var/lib/x"},)},
        "left a secret of the droplet that it was built on in /var/lib/x",
    ),
}


@pytest.mark.parametrize("trouble", BAD)
def test_a_bad_snapshot_is_rejected_with_the_reason_and_not_offered(fleet: Fleet, trouble: str) -> None:
    answer, reason = BAD[trouble]
    probed(fleet, lambda machine: machine.says(**answer))
    with pytest.raises(PermanentError, match=rf"{NAME} was rejected, and is not offered: .*{reason}"):
        build(fleet)
    assert states(fleet) == ["rejected"]
    assert nothing_is_left(fleet)
    assert lineage.read(named(fleet)[0].description).reason
    assert "**Not ready.**" in latest(f"snapshot-{NAME}")


def test_a_snapshot_that_shares_its_identity_with_its_builder_is_rejected(fleet: Fleet) -> None:
    def twin(machine: Machine) -> None:
        builder = next(one for one in fleet.machines if one is not machine)
        machine.system.write_text(builder.system.read_text())

    probed(fleet, twin)
    with pytest.raises(PermanentError, match=r"has the machine id .*; it has an SSH host key of the droplet"):
        build(fleet)


def test_a_snapshot_whose_agent_does_not_answer_is_rejected(fleet: Fleet) -> None:
    probed(fleet, lambda machine: machine.silence())
    with pytest.raises(PermanentError, match="its agent gave no healthy answer: Waited 240 s"):
        build(fleet)
    assert states(fleet) == ["rejected"]
    assert nothing_is_left(fleet)


def test_a_rejected_snapshot_is_replaced_by_the_next_build_of_its_name(fleet: Fleet) -> None:
    probed(fleet, lambda machine: machine.says(nginx="bad") if len(fleet.machines) < 3 else None)
    with pytest.raises(PermanentError):
        build(fleet)
    build(fleet)
    assert states(fleet) == ["ready"]


def test_another_snapshot_of_the_same_name_that_is_not_ours_stays(fleet: Fleet) -> None:
    theirs = fleet.cloud.snapshots.add(NAME)
    build(fleet)
    assert theirs in named(fleet)
    assert sorted(states(fleet)) == ["foreign", "ready"]


def test_an_unready_snapshot_that_droplets_were_made_from_stays(fleet: Fleet) -> None:
    old = fleet.cloud.snapshots.add(NAME, tags=naming.snapshot_tags("custom"))
    fleet.cloud.droplets.ensure(_droplet(old.id))
    build(fleet)
    assert sorted(states(fleet)) == ["ready", "unproven"]


def _droplet(image: str) -> Any:
    from fleet.state import DropletRequest

    return DropletRequest("demo-prod-1", "fra1", "s-1vcpu-1gb", image, frozenset({naming.TAG}), "aa-1", _USER_DATA)


_USER_DATA = "#cloud-config\nwrite_files: []\n"


def test_what_failed_is_kept_when_asked_and_removed_by_the_next_run(fleet: Fleet) -> None:
    fleet.cloud.faults.fail("droplets.snapshot", PermanentError("no room"))
    with pytest.raises(PermanentError, match="no room"):
        build(fleet, keep_failed=True)
    assert [one.name for one in fleet.droplets.all.values()] == [fleet.machines[0].name]
    assert fleet.cloud.firewalls.all
    build(fleet)
    assert nothing_is_left(fleet)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("droplets.snapshot", TransientError("503")),
        ("droplets.read_action", TransientError("502")),
        ("snapshots.tag", TransientError("500")),
        ("snapshots.describe", TransientError("500")),
        ("droplets.ensure", TransientError("503")),
        ("firewalls.ensure", TransientError("503")),
    ],
)
def test_a_provider_that_fails_now_and_then_is_asked_again(fleet: Fleet, call: str, error: TransientError) -> None:
    fleet.cloud.faults.fail(call, error, error)
    build(fleet)
    assert states(fleet) == ["ready"]
    assert nothing_is_left(fleet)


def test_an_action_that_never_ends_is_given_up_and_leaves_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(number: int) -> Action:
        return Action(number, "snapshot", "in-progress")

    with monkeypatch.context() as patch:
        patch.setattr(fleet.cloud.droplets, "read_action", never)
        with pytest.raises(PermanentError, match=r"Waited 1800 s for the action snapshot .* was given up"):
            build(fleet)
    assert nothing_is_left(fleet)
    assert "ready" not in states(fleet)
    build(fleet)
    assert "ready" in states(fleet)


def test_ssh_that_is_cut_mid_bake_is_tried_again_and_then_leaves_nothing(fleet: Fleet, shell: FakeShell) -> None:
    shell.cut("install", times=1)
    build_snapshot(fleet.environment(), "shop-base", "base")
    assert states(fleet, "shop-base") == ["ready"]
    shell.cut("install", times=9)
    with pytest.raises(TransientError, match="the connection broke"):
        build_snapshot(fleet.environment(), "other-base", "base")
    assert states(fleet, "other-base") == []
    assert nothing_is_left(fleet)


CHANGING = ("ensure", "remove", "act", "snapshot", "tag", "describe", "remove_named")


def changing(call: str) -> bool:
    """Whether a call of the cloud may change something."""
    return call.rpartition(".")[2] in CHANGING


def kill_at(fleet: Fleet, number: int) -> list[str]:
    """The controller dies before its so-many-th change, and asks nothing any more; gives the list of changes."""
    made: list[str] = []

    def watch(call: str) -> None:
        if changing(call):
            made.append(call)
        if len(made) >= number:
            raise Killed(call)

    fleet.cloud.faults.watch = watch
    return made


@pytest.mark.parametrize("kind", ["custom", "base"])
def test_killed_at_any_change_no_half_snapshot_is_offered_and_the_next_run_succeeds(
    fleet: Fleet, shell: FakeShell, kind: str
) -> None:
    def run(name: str) -> None:
        build(fleet, name=name, kind=kind)

    changes = kill_at(fleet, 10_000)
    run("whole")
    total = len(changes)
    assert total > 15
    for number in range(1, total + 1):
        name = f"killed-{number}"
        kill_at(fleet, number)
        with pytest.raises(Killed):
            run(name)
        kill_at(fleet, 10_000)
        before = [one for one in named(fleet, name) if naming.snapshot_state(one.tags) == "ready"]
        assert len(before) == (number > total - _after_ready(changes)), "only a proven one is ready"
        run(name)
        assert states(fleet, name) == ["ready"]
        assert nothing_is_left(fleet)


def _after_ready(changes: list[str]) -> int:
    """How many changes follow the one that makes the snapshot ready."""
    return len(changes) - 1 - max(number for number, call in enumerate(changes) if call == "snapshots.tag")


def test_a_saved_image_becomes_the_base_of_a_snapshot_that_says_what_it_is_for(fleet: Fleet, tmp_path: Path) -> None:
    image = BaseImage.model_validate({"image": {"file": str(saved(tmp_path / "base.tar"))}})
    build(fleet, context="", image=image, description="Models on board.")
    assert states(fleet) == ["ready"]
    assert lineage.read(named(fleet)[0].description).about == "Models on board."
    assert "Models on board." in latest(f"snapshot-{NAME}")
    assert nothing_is_left(fleet)


def test_a_disk_that_fills_up_while_the_image_is_built_leaves_no_snapshot_and_no_droplet(fleet: Fleet) -> None:
    boot = fleet.droplets._boot

    def full(request: Any, address: str, folder: Path) -> Machine:
        made = boot(request, address, folder)
        made.engine.full = True
        return made

    fleet.droplets._boot = full
    with pytest.raises(PermanentError, match="The disk filled up while it was built, and no image was left"):
        build(fleet)
    assert named(fleet) == []
    assert nothing_is_left(fleet)
    fleet.droplets._boot = boot
    build(fleet)
    assert states(fleet) == ["ready"]
