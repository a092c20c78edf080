"""Which images a build may begin with."""

from __future__ import annotations

from dataclasses import replace

from agent.server.images import nearest
from tests.unit.agent.test_peers import instance

OLD, NOW, OTHER = "20261124t000001-aaaaaa", "20261124t000002-bbbbbb", "20261124t000003-cccccc"


def test_what_serves_of_the_service_that_is_built_comes_first_and_other_services_last() -> None:
    shop = replace(instance(), name="0a1b2c_demo_prod_shop", role="current", release=OTHER, image="sha256:shop")
    hello = replace(instance(), name="0a1b2c_demo_prod_hello", role="current", release=NOW, image="sha256:now")
    kept = replace(hello, role="kept", release=OLD, image="sha256:old")
    failed = replace(hello, role="candidate", release=OTHER, image="sha256:failed")
    seen = (shop, kept, hello, failed)
    assert nearest(seen, "hello:latest") == ("sha256:now", "sha256:failed", "sha256:old", "sha256:shop")
    assert nearest(reversed(seen), "shop:latest")[0] == "sha256:shop"


def test_an_image_of_several_releases_is_named_once() -> None:
    one = replace(instance(), role="current", image="sha256:same")
    assert nearest((one, replace(one, role="kept", release=OLD)), "hello:latest") == ("sha256:same",)
