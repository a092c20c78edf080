"""DNS records through the official SDK: what is stored, replaced, filtered and refused."""

from __future__ import annotations

from typing import Any

import cloudflare as sdk
import httpx
import pytest
from cloudflare import Cloudflare

from sandbox.cloudflare.records import COMMENT_LENGTH
from sandbox.cloudflare.zones import read_records
from sandbox.store import Store


def add(cloudflare: Cloudflare, zone_id: str, name: str, content: str = "127.77.0.1", **fields: Any) -> Any:
    wanted = {"type": "A", "ttl": 1, **fields}
    return cloudflare.dns.records.create(zone_id=zone_id, name=name, content=content, **wanted)


def names(records: Any) -> list[str]:
    return [record.name for record in records]


def code(refused: pytest.ExceptionInfo[Any]) -> int:
    return int(refused.value.errors[0].code)


def test_a_created_record_has_its_full_name_and_can_be_read(cloudflare: Cloudflare, zone_id: str) -> None:
    made = add(cloudflare, zone_id, "Hello", proxied=True, ttl=300, comment="deployer")
    read = cloudflare.dns.records.get(made.id, zone_id=zone_id)
    assert read == made
    assert (made.name, made.content, made.proxied, made.ttl) == ("hello.example.test", "127.77.0.1", True, 1)
    assert (made.comment, made.tags, made.proxiable) == ("deployer", [], True)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("@", "example.test"),
        ("example.test", "example.test"),
        ("a.example.test", "a.example.test"),
        ("a.elsewhere.test", "a.elsewhere.test.example.test"),
        ("*", "*.example.test"),
    ],
)
def test_a_name_outside_the_zone_gets_the_zone_appended(
    cloudflare: Cloudflare, zone_id: str, sent: str, kept: str
) -> None:
    assert add(cloudflare, zone_id, sent).name == kept


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"content": "127.77.0.300"}, 9005),
        ({"content": "10.1.2.3", "proxied": True}, 9003),
        ({"type": "AAAA", "content": "127.77.0.1"}, 9006),
        ({"type": "TXT", "content": "text", "proxied": True}, 9004),
        ({"ttl": 59}, 9021),
        ({"name": "two..dots"}, 9000),
        ({"name": "a" * 64}, 9000),
        ({"type": "CNAME", "content": "a.example.test"}, 9007),
        ({"settings": {"ipv4_only": "yes"}}, 9207),
        ({"type": "LOC"}, 9000),
        ({"comment": "x" * (COMMENT_LENGTH + 1)}, 1004),
        ({"tags": ["paid:yes"]}, 9300),
    ],
)
def test_a_bad_record_is_refused_and_nothing_is_stored(
    cloudflare: Cloudflare, store: Store, zone_id: str, fields: dict[str, Any], expected: int
) -> None:
    with pytest.raises(sdk.BadRequestError) as refused:
        add(cloudflare, zone_id, **{"name": "a", **fields})
    assert code(refused) == expected
    assert read_records(store, zone_id) == {}


def test_several_addresses_of_one_name_are_several_records(cloudflare: Cloudflare, zone_id: str) -> None:
    add(cloudflare, zone_id, "a", "127.77.0.1")
    add(cloudflare, zone_id, "a", "127.77.0.2")
    assert len(list(cloudflare.dns.records.list(zone_id=zone_id))) == 2


def test_an_identical_record_is_81058(cloudflare: Cloudflare, zone_id: str) -> None:
    add(cloudflare, zone_id, "a")
    with pytest.raises(sdk.BadRequestError) as refused:
        add(cloudflare, zone_id, "a", comment="another comment")
    assert code(refused) == 81058


def test_a_cname_beside_an_address_is_81053(cloudflare: Cloudflare, zone_id: str) -> None:
    add(cloudflare, zone_id, "a")
    with pytest.raises(sdk.BadRequestError) as refused:
        add(cloudflare, zone_id, "a", "b.example.test", type="CNAME")
    assert code(refused) == 81053


def test_put_drops_what_it_leaves_out_and_patch_keeps_it(cloudflare: Cloudflare, zone_id: str) -> None:
    made = add(cloudflare, zone_id, "a", proxied=True, comment="mine")
    fields: Any = {"name": "a", "ttl": 1, "type": "A"}
    patched: Any = cloudflare.dns.records.edit(made.id, zone_id=zone_id, content="127.77.0.2", **fields)
    assert (patched.content, patched.comment, patched.proxied) == ("127.77.0.2", "mine", True)
    put: Any = cloudflare.dns.records.update(made.id, zone_id=zone_id, content="127.77.0.3", **fields)
    assert (put.content, put.comment, put.proxied, put.id) == ("127.77.0.3", None, False, made.id)


def test_a_patch_of_one_field_needs_no_other(http: httpx.Client, cloudflare: Cloudflare, zone_id: str) -> None:
    made = add(cloudflare, zone_id, "a", comment="mine")
    answer = http.patch(f"/zones/{zone_id}/dns_records/{made.id}", json={"comment": None}).json()
    assert (answer["success"], answer["result"]["comment"], answer["result"]["content"]) == (True, None, made.content)


def test_a_comment_has_the_date_of_its_last_change_as_long_as_there_is_one(
    cloudflare: Cloudflare, zone_id: str
) -> None:
    made = add(cloudflare, zone_id, "a", comment="mine")
    assert made.comment_modified_on == made.created_on
    fields: Any = {"name": "a", "ttl": 1, "type": "A"}
    moved: Any = cloudflare.dns.records.edit(made.id, zone_id=zone_id, content="127.77.0.2", **fields)
    assert moved.comment_modified_on == made.comment_modified_on < moved.modified_on
    told: Any = cloudflare.dns.records.edit(made.id, zone_id=zone_id, content="127.77.0.2", comment="yours", **fields)
    assert told.comment_modified_on == told.modified_on
    silent: Any = cloudflare.dns.records.update(made.id, zone_id=zone_id, content="127.77.0.2", **fields)
    assert silent.comment_modified_on is None


def test_the_settings_of_a_record_are_kept_by_patch_and_dropped_by_put(cloudflare: Cloudflare, zone_id: str) -> None:
    made = add(cloudflare, zone_id, "a", proxied=True, settings={"ipv4_only": True})
    fields: Any = {"name": "a", "ttl": 1, "type": "A", "content": "127.77.0.2"}
    patched: Any = cloudflare.dns.records.edit(made.id, zone_id=zone_id, **fields)
    put: Any = cloudflare.dns.records.update(made.id, zone_id=zone_id, **fields)
    assert [record.settings.ipv4_only for record in (made, patched, put)] == [True, True, None]


def test_a_priority_may_be_written_as_a_float(cloudflare: Cloudflare, zone_id: str) -> None:
    assert add(cloudflare, zone_id, "a", "mail.example.test", type="MX", priority=10.0).priority == 10


def test_delete_gives_the_id_and_a_second_one_is_81044(cloudflare: Cloudflare, zone_id: str) -> None:
    made = add(cloudflare, zone_id, "a")
    removed = cloudflare.dns.records.delete(made.id, zone_id=zone_id)
    assert removed is not None
    assert removed.id == made.id
    with pytest.raises(sdk.NotFoundError) as refused:
        cloudflare.dns.records.delete(made.id, zone_id=zone_id)
    assert code(refused) == 81044


@pytest.fixture
def filled(cloudflare: Cloudflare, zone_id: str) -> str:
    add(cloudflare, zone_id, "hello", "127.77.0.1", proxied=True, comment="deployer 9fe5e6 demo/prod/hello")
    add(cloudflare, zone_id, "hello", "127.77.0.2", proxied=True, comment="deployer 9fe5e6 demo/prod/hello")
    add(cloudflare, zone_id, "other", "127.77.0.2", comment="by hand")
    add(cloudflare, zone_id, "text", "127.77.0.2 once was here", type="TXT")
    return zone_id


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"name": {"exact": "hello.example.test"}}, 2),
        ({"name": {"contains": "l"}}, 4),
        ({"name": {"startswith": "oth"}}, 1),
        ({"type": "TXT"}, 1),
        ({"content": {"exact": "127.77.0.2"}}, 2),
        ({"content": {"contains": "127.77.0.2"}}, 3),
        ({"comment": {"contains": "9fe5e6"}}, 2),
        ({"comment": {"exact": "by hand"}}, 1),
        ({"comment": {"absent": "true"}}, 1),
        ({"proxied": True}, 2),
        ({"proxied": False, "type": "A"}, 1),
        ({"type": "TXT", "comment": {"exact": "by hand"}, "match": "any"}, 2),
        ({"search": "HAND"}, 1),
        ({"tag": {"present": "owner"}}, 0),
        ({"tag": {"absent": "owner"}}, 4),
        ({"tag": {"exact": "owner:me"}}, 0),
    ],
)
def test_the_list_filters(cloudflare: Cloudflare, filled: str, filters: dict[str, Any], count: int) -> None:
    assert len(list(cloudflare.dns.records.list(zone_id=filled, **filters))) == count


def test_the_plain_name_and_content_filter_as_well(http: httpx.Client, filled: str) -> None:
    query = {"name": "hello.example.test", "content": "127.77.0.1"}
    assert http.get(f"/zones/{filled}/dns_records", params=query).json()["result_info"]["total_count"] == 1


def test_the_list_is_ordered_as_asked(cloudflare: Cloudflare, filled: str) -> None:
    ordered = cloudflare.dns.records.list(zone_id=filled, order="name", direction="desc")
    assert names(ordered) == [f"{name}.example.test" for name in ("text", "other", "hello", "hello")]


def test_the_list_is_ordered_by_type_when_nothing_is_asked(cloudflare: Cloudflare, zone_id: str) -> None:
    for name, type, content in (("a", "TXT", "text"), ("b", "A", "127.77.0.1"), ("c", "CNAME", "b.example.test")):
        add(cloudflare, zone_id, name, content, type=type)
    assert [record.type for record in cloudflare.dns.records.list(zone_id=zone_id)] == ["A", "CNAME", "TXT"]


def test_pages_follow_each_other_and_the_one_beyond_the_last_is_empty(
    cloudflare: Cloudflare, http: httpx.Client, filled: str
) -> None:
    assert len(names(cloudflare.dns.records.list(zone_id=filled, per_page=3))) == 4
    beyond = http.get(f"/zones/{filled}/dns_records", params={"page": 3, "per_page": 3}).json()
    assert beyond["result"] == []
    assert beyond["result_info"] == {"page": 3, "per_page": 3, "count": 0, "total_count": 4, "total_pages": 2}


def test_a_batch_runs_deletes_patches_puts_and_posts_in_this_order(cloudflare: Cloudflare, zone_id: str) -> None:
    gone, moved, replaced = (add(cloudflare, zone_id, name) for name in ("gone", "moved", "replaced"))
    done = cloudflare.dns.records.batch(
        zone_id=zone_id,
        posts=[{"name": "gone", "type": "A", "content": "127.77.0.1", "ttl": 1}],
        puts=[{"id": replaced.id, "name": "replaced", "type": "A", "content": "127.77.0.9", "ttl": 1}],
        patches=[{"id": moved.id, "name": "moved", "type": "A", "content": "127.77.0.8", "ttl": 1}],
        deletes=[{"id": gone.id}],
    )
    assert done is not None
    assert [names(part) for part in (done.deletes, done.patches, done.puts, done.posts)] == [
        ["gone.example.test"],
        ["moved.example.test"],
        ["replaced.example.test"],
        ["gone.example.test"],
    ]
    assert len(list(cloudflare.dns.records.list(zone_id=zone_id))) == 3


def test_a_batch_with_one_refusal_changes_nothing(cloudflare: Cloudflare, store: Store, zone_id: str) -> None:
    kept = add(cloudflare, zone_id, "kept")
    before = read_records(store, zone_id)
    with pytest.raises(sdk.BadRequestError):
        cloudflare.dns.records.batch(
            zone_id=zone_id,
            deletes=[{"id": kept.id}],
            posts=[{"name": "new", "type": "A", "content": "no address", "ttl": 1}],
        )
    assert read_records(store, zone_id) == before


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"text"'])
def test_a_body_that_is_no_object_is_refused_with_400(http: httpx.Client, zone_id: str, raw: bytes) -> None:
    answer = http.post(f"/zones/{zone_id}/dns_records", content=raw)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 9207)


def test_records_of_an_unknown_zone_are_7003(cloudflare: Cloudflare) -> None:
    with pytest.raises(sdk.NotFoundError) as refused:
        cloudflare.dns.records.list(zone_id="0" * 32)
    assert code(refused) == 7003
