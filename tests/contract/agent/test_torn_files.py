"""What an agent keeps on its disk, cut off at any byte: it begins all the same, and takes no half for a whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import wire
from agent.server.app import create_context
from agent.server.context import Context
from agent.server.secret_files import SecretFiles
from tests.contract.agent.serving import Droplet, droplet
from tests.unit.agent.builders import NAME, release

HOOK = wire.WebhookChannel(kind="webhook", url="https://ops.example.com/")
PAUSES = wire.Pauses(pauses=(wire.Pause(scope="everything", by="ann", why="we move"),))
MANIFEST = wire.Manifest(release=release(1), written_at=datetime(2026, 11, 24, tzinfo=UTC), by="a run", document="{}")
FILES = {
    f"{NAME}.json",
    "leases.json",
    "pauses.json",
    "cursors.json",
    "watchdog.json",
    "vigil.json",
    "vigil.sealed",
    release(1),
}


def secrets(lab: Droplet) -> SecretFiles:
    """Those of its containers."""
    return SecretFiles(lab.settings.run, lab.settings.state, lab.settings.secret)


def begin(lab: Droplet) -> Context:
    """What an agent knows that starts now, once the secrets are restored."""
    secrets(lab).restore()
    return create_context(lab.settings, lab.engine, lab.router, lambda: None, None)


def live(lab: Droplet) -> list[Path]:
    """Until everything that an agent remembers is on the disk; gives its files."""
    lab.deploy(1)
    secrets(lab).write(NAME, release(1), {"PASSWORD": "hunter2"})
    with lab.client() as client:
        client.write_pauses("0123456789ab", PAUSES)
        client.keep_manifest(NAME, MANIFEST)
        client.write_vigil(wire.Vigil(environment="demo-prod", channels=(HOOK,), before=()))
        client.node(wire.HEALTH_ROUND)
        client.stop(NAME, wire.Stop(release=release(1), role="current"))
    return [path for path in lab.settings.state.rglob("*") if path.is_file()]


def test_an_agent_begins_wherever_one_of_its_files_was_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with droplet(tmp_path) as lab:
        files = live(lab)
        assert {path.name for path in files} == FILES
        for path in files:
            whole = path.read_bytes()
            for cut in range(len(whole)):
                path.write_bytes(whole[:cut])
                found = begin(lab)
                assert len(found.leases.held().leases) == (path.name != "leases.json")
                assert len(found.pauses.held()) == (path.name != "pauses.json")
                assert len(found.manifests.read_all()) == (path.name != f"{NAME}.json")
            path.write_bytes(whole)
        begin(lab)
        assert "hunter2" not in caplog.text
