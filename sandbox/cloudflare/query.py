"""Filters, order and search of the lists of DNS records and zones, by the names that the published document gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import QueryParams

from sandbox.cloudflare.errors import invalid

JSON = dict[str, Any]
Test = Callable[[JSON], bool]

_ORDERS = ("type", "name", "content", "ttl", "proxied")
_ZONE_ORDERS = ("name", "status", "account.id", "account.name")
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda text, value: text == value,
    "contains": lambda text, value: value in text,
    "startswith": lambda text, value: text.startswith(value),
    "endswith": lambda text, value: text.endswith(value),
}
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equal": _COMPARE["exact"],
    "not_equal": lambda text, value: text != value,
    "starts_with": _COMPARE["startswith"],
    "ends_with": _COMPARE["endswith"],
    "contains": _COMPARE["contains"],
}


def select_records(records: list[JSON], query: Mapping[str, str]) -> list[JSON]:
    """The records that the filters ask for (`match` any or all, all by default), in the order asked for."""
    found = _matching(records, _tests(query), query)
    if (search := query.get("search", "").lower()) != "":
        found = [record for record in found if search in _searchable(record)]
    order = query.get("order", "type")
    if order not in _ORDERS:
        raise invalid(9207, f"Invalid order: must be one of {', '.join(_ORDERS)}.")
    return _ordered(found, query, lambda record: record[order])


def select_zones(zones: list[JSON], query: QueryParams) -> list[JSON]:
    """The zones that the filters ask for, in the order asked for; a name may be `contains:…` and the like."""
    order = query.get("order", "name")
    if order not in _ZONE_ORDERS:
        raise invalid(9207, f"Invalid order: must be one of {', '.join(_ZONE_ORDERS)}.")
    return _ordered(_matching(zones, _zone_tests(query), query), query, lambda zone: _at(zone, order))


def _zone_tests(query: QueryParams) -> list[Test]:
    tests: list[Test] = []
    for key in ("name", "account.name"):
        if query.get(key):
            tests.append(_operator_test(key, query[key]))
    for key in ("status", "account.id"):
        if query.get(key):
            tests.append(lambda zone, key=key: _at(zone, key) == query[key])  # type: ignore[misc]
    types = ",".join(query.getlist("type"))  # one list with commas, or the parameter several times, as the SDK does it
    if types:
        tests.append(lambda zone: zone["type"] in types.split(","))
    return tests


def _operator_test(key: str, text: str) -> Test:
    """`equal:`, `not_equal:` and four that look for a part, which also exist with `_case_sensitive`."""
    operator, _, value = text.rpartition(":")
    compare = _OPERATORS.get(operator.removesuffix("_case_sensitive"), _OPERATORS["equal"])
    if operator.endswith("_case_sensitive"):
        return lambda zone: compare(_at(zone, key), value)
    return lambda zone: compare(_at(zone, key).lower(), value.lower())


def _at(zone: JSON, key: str) -> str:
    """A field of a zone, or by `account.…` one of its account."""
    part, _, field = key.rpartition(".")
    return str(zone[part][field] if part else zone[field])


def _matching(items: list[JSON], tests: list[Test], query: Mapping[str, str]) -> list[JSON]:
    combine = any if tests and query.get("match") == "any" else all
    return [item for item in items if combine(test(item) for test in tests)]


def _tests(query: Mapping[str, str]) -> list[Test]:
    tests: list[Test] = []
    for key, value in query.items():
        field, _, how = key.partition(".")
        if field in ("name", "content", "comment"):
            tests.append(_text_test(field, how or "exact", value))
        elif field == "tag":
            tests.append(lambda record, how=how: how == "absent")  # type: ignore[misc]  # no record has tags
        elif key == "type":
            tests.append(lambda record, value=value: record["type"] == value.upper())  # type: ignore[misc]
        elif key == "proxied":
            tests.append(lambda record, value=value: record["proxied"] is (value.lower() == "true"))  # type: ignore[misc]
    return tests


def _text_test(field: str, how: str, value: str) -> Test:
    """Text filters do not look at upper and lower case; `present` and `absent` look at the comment alone."""
    if how in ("present", "absent"):
        return lambda record: bool(record[field]) is (how == "present")
    if how not in _COMPARE:
        raise invalid(9207, f"Unknown filter {field}.{how}.")
    compare = _COMPARE[how]
    return lambda record: compare((record[field] or "").lower(), value.lower())


def _searchable(record: JSON) -> str:
    return " ".join(str(record[field] or "") for field in ("name", "content", "comment", "type")).lower()


def _ordered(items: list[JSON], query: Mapping[str, str], key: Callable[[JSON], Any]) -> list[JSON]:
    return sorted(items, key=key, reverse=query.get("direction") == "desc")
