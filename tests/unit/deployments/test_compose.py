"""A Compose file as services: what each becomes."""

from __future__ import annotations

import pytest

from deployments.compose import read, values
from deployments.compose.document import load
from deployments.compose.environment import Surroundings
from fleet.spec import BuildSource, Health, ImageSource, Runs, Scheduled, ServiceSpec, Tcp, Volume, Web, Worker
from tests.unit.deployments.composing import EXAMPLE, WEB, imported, only


def test_the_example_is_a_web_service_a_redis_a_worker_and_a_scheduled_report() -> None:
    app, folder = BuildSource(str(EXAMPLE.parent / "app")), EXAMPLE.parent
    document, findings = load(EXAMPLE.read_text(), {"ZONE": "example.com"})
    found = read(document, Surroundings(folder), findings)
    redis = {"REDIS": "redis:6379"}
    assert found.services == (
        ServiceSpec(
            "web",
            app,
            Web(8080, ("counter.example.com",)),
            replicas=2,
            health=Health("/health", 60, 2.0),
            variables=redis,
            memory_mib=128,
            cpus=0.5,
            command=("python3", "counter.py", "web"),
        ),
        ServiceSpec(
            "redis",
            BuildSource(str(folder / "redis")),
            Tcp(6379),
            memory_mib=128,
            volumes=(Volume("redis-data", "/data"),),
        ),
        ServiceSpec(
            "worker", app, Worker(), variables=redis, memory_mib=64, command=("python3", "counter.py", "worker")
        ),
        ServiceSpec(
            "report",
            app,
            Scheduled("*/5 * * * *", timeout_seconds=60),
            variables=redis,
            memory_mib=64,
            command=("python3", "counter.py", "report"),
        ),
    )
    assert found.notes == ()


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("image: a\nx-deployer: {domain: a.example.com}\nports: ['80']", Web(80, ("a.example.com",))),
        ("image: a\nlabels: [x-deployer.domain=a.example.com]\nexpose: [5000]", Web(5000, ("a.example.com",))),
        (
            "image: a\nx-deployer: {domain: [a.example.com, b.example.com], port: 9}",
            Web(9, ("a.example.com", "b.example.com")),
        ),
        ("image: a\nports: ['8080:3001', '9000:9000']\nx-deployer: {domain: a.b.de}", Web(3001, ("a.b.de",))),
        ("image: a\nports: [{target: 80, published: '8080'}]\nx-deployer: {domain: a.b.de}", Web(80, ("a.b.de",))),
        ("image: a\nexpose: [6379]", Tcp(6379)),
        ("image: a\nports: ['7000:7001/tcp']", Tcp(7001)),
        ("image: docker.io/library/postgres:16-alpine", Tcp(5432)),
        ("image: a\nexpose: [1, 2]\nx-deployer: {port: 2}", Tcp(2)),
        ("image: a", Worker()),
        ("image: a\nx-deployer: {exclusive: true}", Worker(exclusive=True)),
        ("image: a\nx-deployer: {cron: 30 4 * * *}", Scheduled("30 4 * * *")),
        (
            "image: a\nlabels: {x-deployer.cron: 30 4 * * *, x-deployer.zone: Europe/Berlin, x-deployer.overlap: true}",
            Scheduled("30 4 * * *", "Europe/Berlin", overlap=True),
        ),
    ],
)
def test_a_service_is_of_the_kind_that_its_ports_its_domain_or_its_cron_line_say(text: str, runs: Runs) -> None:
    assert only(text).runs == runs


def test_a_domain_of_the_command_line_makes_a_web_service() -> None:
    assert only("image: a\nports: ['80:80']", domains={"a": "a.example.com"}).runs == Web(80, ("a.example.com",))


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("image: redis:7", "source", ImageSource("redis:7")),
        ("build: .", "source", BuildSource("/srv")),
        (
            "build: {context: ../shop/./web, dockerfile: ./docker/Dockerfile}",
            "source",
            BuildSource("/shop/web", "docker/Dockerfile"),
        ),
        ("image: a\nbuild: web", "source", BuildSource("/srv/web")),
        ("image: a\ncommand: sh -c 'echo a b'", "command", ("sh", "-c", "echo a b")),
        ("image: a\ncommand: [sh, -c, echo $$HOME]", "command", ("sh", "-c", "echo $HOME")),
        ("image: a\nmem_limit: 1.5g", "memory_mib", 1536),
        ("image: a\nmem_limit: 67108864", "memory_mib", 64),
        ("image: a\ndeploy: {resources: {limits: {memory: 32mb}}}\nmem_limit: 16m", "memory_mib", 32),
        ("image: a\ncpus: 0.25", "cpus", 0.25),
        ("image: a\nscale: 3", "replicas", 3),
        ("image: a\nstop_grace_period: 1m30s", "drain_seconds", 90),
        ("image: a\nenvironment: {A: 1, B: true, C: x y}", "variables", {"A": "1", "B": "true", "C": "x y"}),
        ("image: a\nenvironment: [A=1=2, B=]", "variables", {"A": "1=2", "B": ""}),
    ],
)
def test_what_compose_says_of_a_container_is_carried_over(text: str, field: str, value: object) -> None:
    assert getattr(only(text), field) == value


@pytest.mark.parametrize(
    ("check", "health"),
    [
        ("{test: [CMD, curl, -f, 'http://localhost/up']}", Health("/up")),
        ("{test: 'wget -qO- http://localhost:80/ || exit 1', timeout: 5s, start_period: 2m}", Health("/", 120, 5.0)),
        ("{test: [CMD-SHELL, 'wget --spider http://0.0.0.0/live']}", Health("/live")),
        ("{test: curl http://localhost:9000/other}", Health()),
        ("{test: [CMD, ./check]}", Health()),
        ("{disable: true}", Health()),
    ],
)
def test_a_probe_over_http_becomes_the_health_path(check: str, health: Health) -> None:
    assert only(f"{WEB}healthcheck: {check}").health == health


def test_variables_named_like_secrets_become_secrets_whose_place_the_container_is_told() -> None:
    files = {"/srv/shop.env": "# shop\nexport LANG=C\nDB_PASSWORD='p$w'\nTOKENIZERS=2\nURL=postgres://me:pw@db/x\n"}
    text = "image: a\nenv_file: shop.env\nenvironment: {API_KEY: $OUTSIDE, SORT_KEY: name, SALT: s, LANG: de}\n"
    text += "x-deployer: {variables: [SORT_KEY], secrets: [SALT]}\n"
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    found = imported(f"services:\n  a:\n{lines}", files, OUTSIDE="o")
    (service,) = found.services
    assert service.secrets == {"API_KEY": "o", "DB_PASSWORD": "p$w", "SALT": "s", "URL": "postgres://me:pw@db/x"}
    assert service.variables == {
        "LANG": "de",
        "TOKENIZERS": "2",
        "SORT_KEY": "name",
        **{f"{name}_FILE": f"/run/secrets/{name}" for name in service.secrets},
    }
    said = " ".join([*found.notes, *found.lines()])
    assert "services.a.environment.API_KEY: a secret, no variable" in said
    assert not any(value in said for value in ("p$w", "me:pw"))


def test_secrets_of_compose_are_carried_over_from_files_and_variables() -> None:
    text = """
services:
  a:
    image: a
    secrets: [one, {source: two, target: renamed}]
secrets:
  one: {file: ./one.txt}
  two: {environment: TWO}
"""
    (service,) = imported(text, {"/srv/one.txt": "1\n"}, TWO="2").services
    assert service.secrets == {"one": "1\n", "renamed": "2"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$A ${A}b", "1 1b"),
        ("${B:-x}${B-x}${C:-y}${C-z}", "xyz"),
        ("${A:+there}${C:+there}${B+set}", "thereset"),
        ("${A:?needed}", "1"),
        ("$$A $${A}", "$A ${A}"),
        ("${C:-}", ""),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, filled: str) -> None:
    assert values.interpolate(text, {"A": "1", "B": ""}) == filled


def test_an_env_file_is_read_as_compose_does() -> None:
    text = "A=1\nexport B=\"x ${A}\\ny\" # note\nC='${A}#'\nD=a#b # note\n\n# note\nE=\n"
    assert values.env_file(text, {}) == {"A": "1", "B": "x 1\ny", "C": "${A}#", "D": "a#b", "E": ""}
