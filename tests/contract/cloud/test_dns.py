"""What every implementation of the port for DNS does."""

from __future__ import annotations

import pytest

from fleet import naming
from fleet.cloud.ports import Dns
from fleet.errors import InvalidInput, PermanentError
from fleet.spec import EnvironmentSpec
from fleet.state import Record
from tests.contract.cloud.conftest import ByHand, Foreign

SPEC = EnvironmentSpec("demo", "prod", "fra1", "s-1vcpu-1gb", "example.test")
ONE = naming.comment("9fe5e6", SPEC, "hello", "demo-prod-3f9a1c")
TWO = naming.comment("9fe5e6", SPEC, "hello", "demo-prod-77aa01")
OTHER = naming.comment("9fe5e6", SPEC, "hello2", "demo-prod-3f9a1c")


def test_the_zone_is_named(dns: Dns) -> None:
    assert dns.read_zone() == "example.test"


def test_a_token_is_told_of_with_the_zones_that_it_sees(dns: Dns) -> None:
    facts = dns.read_token()
    assert facts.expires is None
    assert "example.test" in facts.zones


def test_the_same_record_is_made_once_and_is_proxied(dns: Dns) -> None:
    first = dns.ensure("a.example.test", "127.77.0.1", ONE)
    assert dns.ensure("a.example.test", "127.77.0.1", ONE) == first
    assert (first.type, first.content, first.proxied, first.comment) == ("A", "127.77.0.1", True, ONE)
    assert dns.read_records(name="a.example.test") == [first]


def test_a_name_has_a_record_for_each_host(dns: Dns) -> None:
    dns.ensure("b.example.test", "127.77.0.1", ONE)
    dns.ensure("b.example.test", "127.77.0.2", TWO)
    assert {record.content for record in dns.read_records(name="b.example.test")} == {"127.77.0.1", "127.77.0.2"}


def test_records_are_found_by_a_part_of_the_comment(dns: Dns) -> None:
    ours = dns.ensure("c.example.test", "127.77.0.3", ONE)
    others = dns.ensure("d.example.test", "127.77.0.3", OTHER)
    found = {record.id for record in dns.read_records(comment=f"{naming.comment_mark('9fe5e6', SPEC, 'hello')} ")}
    assert ours.id in found
    assert others.id not in found


def test_an_address_that_a_new_droplet_inherits_gets_its_comment(dns: Dns) -> None:
    old = dns.ensure("e.example.test", "127.77.0.4", ONE)
    new = dns.ensure("e.example.test", "127.77.0.4", TWO)
    assert (new.id, new.comment) == (old.id, TWO)


def test_what_a_person_has_set_on_a_record_stays_whatever_becomes_of_it(dns: Dns, by_hand: ByHand) -> None:
    made = dns.ensure("p.example.test", "127.77.0.11", ONE)
    by_hand(made, False, 300)
    assert _set(dns.ensure("p.example.test", "127.77.0.11", ONE)) == (ONE, False, 300)
    assert _set(dns.ensure("p.example.test", "127.77.0.11", TWO)) == (TWO, False, 300), "a new droplet took it over"
    assert [_set(one) for one in dns.read_records(name="p.example.test")] == [(TWO, False, 300)]


def test_a_new_record_is_as_the_services_others_of_the_name_are(dns: Dns, by_hand: ByHand) -> None:
    by_hand(dns.ensure("q.example.test", "127.77.0.12", ONE), False, 600)
    assert _set(dns.ensure("q.example.test", "127.77.0.13", TWO)) == (TWO, False, 600)


def test_a_record_that_comes_back_is_as_it_was(dns: Dns) -> None:
    assert _set(dns.ensure("r.example.test", "127.77.0.14", ONE, False, 120)) == (ONE, False, 120)
    assert _set(dns.ensure("r.example.test", "127.77.0.15", TWO, True, 1)) == (TWO, True, 1)


def _set(record: Record) -> tuple[str, bool, int]:
    return record.comment, record.proxied, record.ttl


def test_a_record_of_another_service_is_not_taken_over(dns: Dns) -> None:
    dns.ensure("f.example.test", "127.77.0.5", OTHER)
    with pytest.raises(InvalidInput, match=r"f\.example\.test"):
        dns.ensure("f.example.test", "127.77.0.5", ONE)


def test_a_record_that_is_not_ours_is_neither_changed_nor_removed(dns: Dns, foreign: Foreign) -> None:
    theirs = foreign("g.example.test", "127.77.0.6")
    with pytest.raises(InvalidInput, match=r"g\.example\.test"):
        dns.ensure("g.example.test", "127.77.0.6", ONE)
    with pytest.raises(PermanentError, match="not ours"):
        dns.remove(theirs)
    assert [record.id for record in dns.read_records(name="g.example.test")] == [theirs]


def test_a_removed_record_is_gone_and_may_be_removed_again(dns: Dns) -> None:
    made = dns.ensure("h.example.test", "127.77.0.7", ONE)
    dns.remove(made.id)
    dns.remove(made.id)
    assert dns.read_records(name="h.example.test") == []


def test_the_edge_says_where_it_connects_from(dns: Dns) -> None:
    assert dns.read_edge_ranges() == ("127.76.0.0/24",)
