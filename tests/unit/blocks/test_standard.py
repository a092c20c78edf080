"""Prefect's own suite for blocks, and what their forms need beyond it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

from blocks.base_image import BaseImage, ImageFromFile, Recipe, RecipeFile
from blocks.cloudflare import CloudflareCredentials
from blocks.digitalocean import DigitalOceanCredentials
from blocks.environment import Environment
from blocks.notifications import Notifications
from blocks.release import Release
from blocks.service import (
    BuildFromArchive,
    BuildFromFolder,
    BuildFromGit,
    ImageFromController,
    ImageFromRegistry,
    ScheduledService,
    Service,
    TcpService,
    Volume,
    WebService,
    WorkerService,
)
from blocks.snapshot import Snapshot
from deployments.documents import TYPES

IMAGES = [BuildFromFolder, BuildFromGit, BuildFromArchive, ImageFromRegistry, ImageFromController]
BASES = [ImageFromFile, Recipe, RecipeFile]
KINDS = [WebService, TcpService, WorkerService, ScheduledService]
MODELS = [*TYPES, *IMAGES, *BASES, *KINDS, Volume]


@pytest.mark.parametrize("block", TYPES, ids=lambda block: block.__name__)
class TestEveryBlock(BlockStandardTestSuite):
    """The standard suite; the logo is the Prefect server's own, so there is nothing to download."""

    @pytest.fixture
    def block(self, request: pytest.FixtureRequest) -> type[Block]:  # overridden by the parametrization above
        """The block under test."""
        found: type[Block] = request.param
        return found

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """A square picture that the server has, where a server is configured."""
        assert block._logo_url is None or str(block._logo_url).endswith("/ico/android-chrome-192x192.png")


@pytest.mark.parametrize("block", TYPES, ids=lambda block: block.__name__)
def test_a_block_says_in_a_sentence_what_it_is(block: type[Block]) -> None:
    assert (block.get_description() or "").endswith(".")


@pytest.mark.parametrize("block", TYPES, ids=lambda block: block.__name__)
def test_a_blocks_name_and_slug_are_one(block: type[Block]) -> None:
    assert (block._block_type_name or "").lower().replace(" ", "-") == block.get_block_type_slug()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_has_a_title_and_a_description_that_ends_with_a_period(model: Any) -> None:
    fields = {name: field for name, field in model.model_fields.items() if name != "kind" or model is Snapshot}
    assert {name for name, field in fields.items() if not field.title} == set()
    assert {name for name, field in fields.items() if not (field.description or "").endswith(".")} == set()


def test_every_block_is_registered() -> None:
    expected = {DigitalOceanCredentials, CloudflareCredentials, Environment, Service, Snapshot, Release, BaseImage}
    expected |= {Notifications}
    assert set(TYPES) == expected


def test_a_block_is_registered_after_its_parts() -> None:
    order = list(TYPES)
    assert order.index(DigitalOceanCredentials) < order.index(Environment) < order.index(Service)
    assert order.index(Snapshot) < order.index(Environment)
    assert order.index(Notifications) < order.index(Environment)


@pytest.mark.parametrize(
    ("field", "tabs"),
    [
        (
            "image",
            [
                "Build from a folder",
                "Build from git",
                "Build from an archive",
                "Image from a registry",
                "Image from the controller",
            ],
        ),
        ("runs", ["Web", "TCP", "Worker", "Scheduled"]),
    ],
)
def test_a_choice_makes_tabs(field: str, tabs: list[str]) -> None:
    schema = Service.model_json_schema()
    shown = schema["properties"][field]
    assert "oneOf" not in shown
    assert "discriminator" not in shown
    names = [option["$ref"].rpartition("/")[2] for option in shown["anyOf"]]
    assert [schema["definitions"][name]["title"] for name in names] == tabs


@pytest.mark.parametrize("members", [IMAGES, KINDS], ids=["image", "runs"])
def test_the_word_that_tells_tabs_apart_is_not_in_the_form(members: list[Any]) -> None:
    definitions = Service.model_json_schema()["definitions"]
    for model in members:
        assert "kind" in model.model_fields
        assert "kind" not in definitions[model.__name__]["properties"]


@pytest.mark.parametrize("members", [IMAGES, KINDS], ids=["image", "runs"])
def test_what_a_tab_cannot_do_without_tells_it_apart(members: list[Any]) -> None:
    needed = [frozenset(name for name, field in model.model_fields.items() if field.is_required()) for model in members]
    assert len(set(needed)) == len(needed)


def test_the_machine_that_builds_is_a_choice() -> None:
    for model in (BuildFromFolder, BuildFromGit, BuildFromArchive):
        assert model.model_json_schema()["properties"]["build_on"]["enum"] == ["droplet", "controller"]


def test_the_token_of_a_repository_is_a_secret_of_the_service() -> None:
    assert "image.token" in Service.model_json_schema()["secret_fields"]


def test_the_kind_of_a_snapshot_is_a_choice() -> None:
    assert Snapshot.model_json_schema()["properties"]["kind"]["enum"] == ["base", "custom"]


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (DigitalOceanCredentials, "ca_file"),
        (CloudflareCredentials, "ca_file"),
        (WebService, "health_path"),
        (BuildFromGit, "folder"),
    ],
)
def test_a_text_that_may_be_empty_is_one_field_and_not_two_tabs(model: Any, field: str) -> None:
    shown = model.model_json_schema()["properties"][field]
    assert shown["type"] == "string"
    assert "anyOf" not in shown


@pytest.mark.parametrize("block", TYPES, ids=lambda block: block.__name__)
def test_the_schema_of_a_block_is_plain_json(block: type[Block]) -> None:
    assert json.loads(json.dumps(block.model_json_schema())) == block.model_json_schema()
