"""The flow `secure-origins`, and what deploys do where an environment asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from blocks.environment import Environment
from fleet import origins
from fleet.errors import PermanentError, Refused, TransientError
from fleet.origins import Pair
from flows.deploy import deploy
from flows.secure_origins import secure_origins
from tests.flows.artifacts import latest
from tests.flows.fleet_of_fakes import ZONE, Fleet
from tests.flows.machines import Machine

REPORT = "origins-demo-prod"
CHANGES = {"origins.sign", "origins.set_mode", "origins.add_pulls", "origins.show_pulls"}


def strict(fleet: Fleet) -> Environment:
    """The block of the environment, with what is to be tried."""
    return fleet.environment(origin="strict")


def deployed(fleet: Fleet) -> list[Machine]:
    """Two machines that serve, made while nobody asked for more than mode Full."""
    deploy(fleet.service())
    return fleet.machines


def shown(machine: Machine) -> tuple[x509.Certificate, bool]:
    """What its nginx was told to show, and whether it refuses all but the edge."""
    assert machine.router.presented is not None
    certificate, required = machine.router.presented
    return x509.load_pem_x509_certificate(certificate), required


def changes(fleet: Fleet) -> list[str]:
    """What was changed at Cloudflare."""
    return [call for call in fleet.dns.faults.calls if call in CHANGES]


def test_nothing_is_touched_where_nobody_asked_for_it(fleet: Fleet) -> None:
    machines = deployed(fleet)
    secure_origins(fleet.environment())
    assert changes(fleet) == []
    assert [machine.router.presented for machine in machines] == [None, None]


def test_droplets_get_certificates_first_then_the_edge_insists_and_then_droplets_answer_it_alone(fleet: Fleet) -> None:
    machines = deployed(fleet)
    secure_origins(strict(fleet))
    assert [shown(machine)[1] for machine in machines] == [False, False]
    assert (fleet.dns.origins.mode, fleet.dns.origins.enabled) == ("strict", True)
    assert "droplets demand its own from the next round on" in latest(REPORT)
    secure_origins(strict(fleet))
    assert [shown(machine)[1] for machine in machines] == [True, True]
    assert "**✅ droplets and edge prove themselves to each other**" in latest(REPORT)
    names = shown(machines[0])[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(origins.names(ZONE))


def test_a_third_time_changes_nothing(fleet: Fleet) -> None:
    machines = deployed(fleet)
    secure_origins(strict(fleet))
    secure_origins(strict(fleet))
    before, presented = changes(fleet), [machine.router.presented for machine in machines]
    secure_origins(strict(fleet))
    assert changes(fleet) == before
    assert [machine.router.presented for machine in machines] == presented


def test_the_keys_stay_where_they_were_made(fleet: Fleet) -> None:
    machines = deployed(fleet)
    secure_origins(strict(fleet))
    pair = fleet.dns.origins.pairs[0]
    for machine in machines:
        files = {path.name: path.read_text() for path in (machine.folder / "state" / "tls").iterdir()}
        assert [name for name, text in files.items() if "PRIVATE" in text] == ["key.pem"]
        assert pair.key not in "".join(files.values())
    assert pair.key not in latest(REPORT)
    assert "PRIVATE" not in repr(pair)


def test_a_new_droplet_shows_its_certificate_before_visitors_come(fleet: Fleet) -> None:
    deploy(fleet.service(environment=strict(fleet)))
    certificates = [shown(machine)[0] for machine in fleet.machines]
    assert all(one.issuer != one.subject for one in certificates)
    calls = fleet.dns.faults.calls
    assert max(place for place, call in enumerate(calls) if call == "origins.sign") < calls.index("dns.ensure")


def test_a_record_that_leads_elsewhere_keeps_the_zone_in_its_mode_and_is_named(fleet: Fleet) -> None:
    deployed(fleet)
    fleet.add_stray_record("shop.example.localhost")
    secure_origins(strict(fleet))
    assert fleet.dns.origins.mode == "full"
    assert "the zone stays in mode full: shop.example.localhost leads to 198.51.100.9" in latest(REPORT)


def test_a_token_without_the_permission_is_named_and_all_serve_as_before(fleet: Fleet) -> None:
    machines = deployed(fleet)
    fleet.dns.faults.fail("origins.read_pulls", *[Refused("made up")] * 9)
    with pytest.raises(PermanentError, match="made up"):
        secure_origins(strict(fleet))
    deploy(fleet.service(environment=strict(fleet), replicas=3))
    assert [machine.router.presented for machine in machines] == [None, None]
    assert len(fleet.serving) == 1
    assert fleet.dns.origins.mode == "full"


def test_a_droplet_that_does_not_answer_is_named_and_the_edge_does_not_insist(fleet: Fleet) -> None:
    machines = deployed(fleet)
    machines[0].silence()
    with pytest.raises(PermanentError, match=machines[0].name):
        secure_origins(strict(fleet))
    assert fleet.dns.origins.mode == "full"
    assert shown(machines[1])[0].issuer != shown(machines[1])[0].subject
    assert machines[0].name in latest(REPORT)


def test_an_older_nginx_is_not_made_to_refuse_anybody(fleet: Fleet) -> None:
    machines = deployed(fleet)
    machines[0].router.old = True
    for _ in range(2):
        secure_origins(strict(fleet))
    assert [shown(machine)[1] for machine in machines] == [False, True]
    assert "its nginx cannot ask" in latest(REPORT)


def test_while_the_edges_certificate_is_exchanged_nobody_is_refused(fleet: Fleet) -> None:
    machines = deployed(fleet)
    now = datetime.now(UTC)
    fleet.dns.origins.pairs = [origins.new_pulls(now - origins.PULLS_VALID + timedelta(days=30))]
    fleet.dns.origins.enabled = True
    orders: list[bool] = []

    def exchanged(pair: Pair) -> None:
        orders.extend(bool(machine.router.presented and machine.router.presented[1]) for machine in machines)
        fleet.dns.origins.pairs.append(pair)

    fleet.dns.origins.add_pulls = exchanged  # type: ignore[method-assign]  # to look at that moment
    secure_origins(strict(fleet))
    assert orders == [False, False]
    assert len(fleet.dns.origins.pairs) == 2
    assert [shown(machine)[1] for machine in machines] == [True, True]


@pytest.mark.parametrize("call", ["origins.add_pulls", "origins.sign", "origins.show_pulls", "origins.set_mode"])
def test_after_a_kill_at_any_call_the_next_runs_end_as_if_nothing_had_happened(fleet: Fleet, call: str) -> None:
    machines = deployed(fleet)
    fleet.dns.faults.fail(call, *[TransientError("killed here")] * 99)
    with pytest.raises(PermanentError):
        secure_origins(strict(fleet))
    fleet.dns.faults.before.clear()
    for _ in range(2):
        secure_origins(strict(fleet))
    assert [shown(machine)[1] for machine in machines] == [True, True]
    assert (fleet.dns.origins.mode, len(fleet.dns.origins.pairs)) == ("strict", 1)
