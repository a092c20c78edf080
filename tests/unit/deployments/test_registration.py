"""What the Prefect server is told: on an empty database and on a used one, with the same end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL
from pydantic import SecretStr, ValidationError

from blocks.cloudflare import CloudflareCredentials
from blocks.environment import Environment
from deployments import documents, pools, registered, registry
from deployments.server import POOL
from deployments.settings import Settings
from tasks.queues import HEALING, LIMITS, PEOPLE, ROUNDS

pytestmark = pytest.mark.usefixtures("prefect")
SECRETS = {"digitalocean_token": SecretStr("do-1"), "cloudflare_token": SecretStr("cf-1")}
DEPLOYMENTS = yaml.safe_load((Path(__file__).resolve().parents[3] / "prefect.yaml").read_text())["deployments"]
COUNTED = ("block_types", "block_documents", "deployments", "work_pools", "concurrency_limits")


def settings(**changes: Any) -> Settings:
    """Settings with both tokens, and an environment of its own for each test."""
    given = {
        "admin_login": SecretStr("admin:x"),
        "cloudflare_zone": "example.com",
        "controller_addresses": ("203.0.113.7/32",),
    }
    return Settings.model_validate({**given, **SECRETS, **changes})


async def known() -> dict[str, list[Any]]:
    """What the server has, by id."""
    async with get_client() as client:
        found: dict[str, Any] = {
            "block_types": await client.read_block_types(),
            "block_documents": await client.read_block_documents(),
            "deployments": await client.read_deployments(),
            "work_pools": await client.read_work_pools(),
            "concurrency_limits": await client.read_concurrency_limits(limit=200, offset=0),
        }
    return {kind: sorted(str(one.id) for one in things) for kind, things in found.items()}


def test_registering_twice_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value() or "")  # for `prefect deploy`, another process
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    given = settings(project="registered")
    first, before = asyncio.run(registry.register(given)), asyncio.run(known())
    second, after = asyncio.run(registry.register(given)), asyncio.run(known())
    assert first == [
        "Block types: digitalocean-credentials, cloudflare-credentials, snapshot, base-image, notifications, "
        "environment, service, release",
        "Blocks: digitalocean, cloudflare",
        "Environment: registered-prod made",
        f"Deployments: {len(DEPLOYMENTS)} of prefect.yaml",
    ]
    assert second == [*first[:2], "Environment: registered-prod is there and stays as it is", first[3]]
    assert after == before
    assert all(before[kind] for kind in COUNTED)


def test_a_deployment_that_somebody_has_changed_or_deleted_is_registered_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value() or "")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))

    async def story() -> list[bool]:
        await registry.ensure_deployments()
        seen = [await registered.is_current()]
        async with get_client() as client:
            rollback = await client.read_deployment_by_name("rollback/rollback")
            await client.update_deployment(rollback.id, DeploymentUpdate(description="somebody's"))
            seen.append(await registered.is_current())
            await client.delete_deployment((await client.read_deployment_by_name("logs/logs")).id)
            await registry.ensure_deployments()
            seen.append(await registered.is_current())
            healed = await client.read_deployment_by_name("rollback/rollback")
            seen.append(healed.description == described("rollback"))
            seen.append((await client.read_deployment_by_name("logs/logs")).name == "logs")
        return seen

    assert asyncio.run(story()) == [True, False, True, True, True]


def described(name: str) -> str:
    """What `prefect.yaml` says of a deployment."""
    return next(str(one["description"]) for one in DEPLOYMENTS if one["name"] == name)


def test_the_pool_and_the_limits_are_as_written() -> None:
    async def twice() -> tuple[str, dict[str, int]]:
        for _ in range(2):
            await pools.ensure_pool()
            await pools.ensure_limits()
        async with get_client() as client:
            pool = await client.read_work_pool(POOL)
            limits = await client.read_concurrency_limits(limit=200, offset=0)
        return pool.type, {limit.tag: limit.concurrency_limit for limit in limits}

    kind, limits = asyncio.run(twice())
    assert kind == "process"
    assert {tag: limits[tag] for tag in pools.TAG_LIMITS} == pools.TAG_LIMITS


def test_health_rounds_come_to_a_queue_of_their_own_on_a_used_database_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value() or "")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))

    async def story() -> tuple[str | None, str | None, dict[str, int | None], int]:
        await registry.register(settings(project="queues"))
        async with get_client() as client:
            found = await client.read_deployment_by_name("health-check/health-check")
            await client.update_deployment(found.id, DeploymentUpdate(work_queue_name=PEOPLE))
            healing = await client.read_work_queue_by_name(HEALING, work_pool_name=POOL)
            await client.update_work_queue(healing.id, concurrency_limit=1)
            people = await client.read_work_queue_by_name(PEOPLE, work_pool_name=POOL)
            await client.update_work_queue(people.id, concurrency_limit=3)
        moved = (await read("health-check/health-check")).work_queue_name
        await registry.register(settings(project="queues"))
        async with get_client() as client:
            queues = await client.read_work_queues(work_pool_name=POOL)
            waiting = await client.get_scheduled_flow_runs_for_work_pool(POOL, [PEOPLE])
        back = (await read("health-check/health-check")).work_queue_name
        return moved, back, {one.name: one.concurrency_limit for one in queues}, len(waiting)

    before, after, limits, left = asyncio.run(story())
    assert (before, after) == (PEOPLE, ROUNDS)
    assert limits == {PEOPLE: 3, ROUNDS: None, HEALING: LIMITS[HEALING]}
    assert left == 0


async def read(name: str) -> DeploymentResponse:
    """A deployment as the server has it."""
    async with get_client() as client:
        return await client.read_deployment_by_name(name)


def test_runs_start_directly_unless_somebody_has_chosen_another_command() -> None:
    async def story() -> list[str]:
        seen = []
        for command in (None, "nice python -m prefect.engine"):
            async with get_client() as client:
                template = (await client.read_work_pool(POOL)).base_job_template
                template["variables"]["properties"]["command"]["default"] = command
                await client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))
                await pools.ensure_pool()
                template = (await client.read_work_pool(POOL)).base_job_template
                seen.append(template["variables"]["properties"]["command"]["default"])
        return seen

    asyncio.run(pools.ensure_pool())
    assert asyncio.run(story()) == [pools.COMMAND, "nice python -m prefect.engine"]


def test_credentials_follow_the_settings_and_an_environment_that_a_person_edited_stays() -> None:
    async def story() -> tuple[Environment, str]:
        await documents.ensure_types()
        await documents.ensure_documents(settings(project="edited"))
        edited = cast(Environment, await Environment.aload("edited-prod"))
        edited.size = "s-2vcpu-4gb"
        await cast(Any, edited.save("edited-prod", overwrite=True))
        await documents.ensure_documents(settings(project="edited", cloudflare_token=SecretStr("cf-2")))
        credentials = cast(CloudflareCredentials, await CloudflareCredentials.aload("cloudflare"))
        return cast(Environment, await Environment.aload("edited-prod")), credentials.token.get_secret_value()

    environment, token = asyncio.run(story())
    assert environment.size == "s-2vcpu-4gb"
    assert token == "cf-2"
    assert environment.cloudflare.token.get_secret_value() == "cf-2", "it refers to the one document"


@pytest.mark.parametrize("missing", ["digitalocean_token", "cloudflare_token", "cloudflare_zone"])
def test_without_tokens_or_zone_no_document_is_made(missing: str) -> None:
    lines = asyncio.run(documents.ensure_documents(settings(**{missing: None})))
    assert lines == ["Block documents: none; put both tokens and the zone into .env, or fill the blocks in by hand"]


def test_a_setting_that_makes_no_environment_is_named() -> None:
    with pytest.raises(ValidationError, match="controller_addresses"):
        asyncio.run(documents.ensure_documents(settings(project="nobody", controller_addresses=())))
