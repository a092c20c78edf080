"""What stops the import of a Compose file: all of it at once, and with its line."""

from __future__ import annotations

import pytest

from deployments.compose import values
from fleet.errors import InvalidInput
from tests.unit.deployments.composing import WEB, imported, only, refused

FOREIGN = """
services:
  web:
    image: nginx
    ports:
      - "80:80"
      - "127.0.0.1:9000:9000"
      - "53:53/udp"
    privileged: true
    volumes:
      - ./html:/usr/share/nginx/html:ro
      - /cache
      - data:/data
    depends_on:
      db: {condition: service_healthy}
  db:
    image: postgres
    entrypoint: [sh]
    cap_add: [NET_ADMIN]
    network_mode: host
    devices: [/dev/sda]
    environment: {A: "${MISSING}"}
    volumes: [data:/data]
    profiles: [full]
  job_1:
    build: {context: "https://github.com/a/b.git", args: {A: 1}}
    links: [db]
  once:
    image: a
    restart: "no"
volumes:
  data:
    driver: nfs
networks:
  back: {driver: macvlan}
secrets:
  key: {external: true}
configs:
  app: {file: app.conf}
"""
"""A file with all that has no counterpart here."""
REASONS = [
    "compose.yaml:2: services: --domain names wbe, which is none of them",
    "compose.yaml:3: services.web: it publishes 80, which is usually HTTP, and has no domain; give one: --domain "
    "web=NAME, or x-deployer: {domain: NAME}",
    "compose.yaml:7: services.web.ports[1]: 127.0.0.1:9000:9000: no range and no host address can be published",
    "compose.yaml:8: services.web.ports[2]: 53:53/udp: only TCP is served",
    "compose.yaml:9: services.web.privileged: no container may change its droplet",
    "compose.yaml:11: services.web.volumes[0]: a bind mount of ./html: put the files into the image, or use a "
    "named volume",
    "compose.yaml:12: services.web.volumes[1]: a volume without a name at /cache: give it one",
    "compose.yaml:15: services.web.depends_on.db.condition: service_healthy is not waited for: let the program "
    "itself try again",
    "compose.yaml:18: services.db.entrypoint: only the command can be replaced; put the entrypoint into the image",
    "compose.yaml:19: services.db.cap_add: no container gets more rights than Docker's usual ones",
    "compose.yaml:20: services.db.network_mode: every container has an address of its own; services reach each "
    "other by name",
    "compose.yaml:21: services.db.devices: a droplet has no devices for containers",
    "compose.yaml:22: services.db.environment.A: MISSING has no value: put it into .env or the environment, or "
    "write ${MISSING:-default}",
    "compose.yaml:24: services.db.profiles: every service of the file is imported; put those of a profile into a "
    "file of their own",
    "compose.yaml:26: services.job_1.build.args: Deployer has no counterpart",
    "compose.yaml:26: services.job_1.build.context: a context elsewhere; import a local one, then choose `Build "
    "from git` in its form",
    "compose.yaml:27: services.job_1.links: services reach each other by their names; change the address in its "
    "variables",
    "compose.yaml:30: services.once.restart: what runs once is no service; give it x-deployer: {cron: …}",
    "compose.yaml:32: volumes.data: web and db share it; a volume belongs to one service",
    "compose.yaml:33: volumes.data.driver: a volume is a plain one, new, and on the droplet's own disk",
    "compose.yaml:35: networks.back.driver: the environment's services share one network of its own",
    "compose.yaml:37: secrets.key.external: Docker alone knows it; give it a file or a variable",
    "compose.yaml:38: configs: put the file into the image, or its content into a variable",
]
"""Why it is refused, each reason with its line."""


def test_a_probe_that_cannot_be_a_health_path_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'/a\?b' is not the path of a URL"):
        only(f"{WEB}healthcheck: {{test: 'curl --fail http://127.0.0.1:80/a?b'}}")


def test_all_that_cannot_be_carried_over_is_named_at_once_with_its_line() -> None:
    assert refused(FOREIGN, domains={"wbe": "a.example.com"}) == REASONS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("image: A", "compose.yaml:2: services.a: 'A' is not the name of an image."),
        ("scale: 2", "compose.yaml:2: services.a: it has neither an image nor a build"),
        ("image: a\n    mem_limit: lots", "it is not as Compose has it: 'lots' is no size, e.g. 512m"),
        ("image: a\n    stop_grace_period: 5", "it is not as Compose has it: 5 is no time, e.g. 1m30s"),
        ("image: a\n    expose: [1, 2]", "it has the ports 1, 2; say which one is served: x-deployer: {port: NUMBER}"),
        ("image: a\n    x-deployer: {domain: a.b.de}", "services.a: it has no port; say which one is served"),
        (
            "image: a\n    x-deployer: {corn: x}",
            "compose.yaml:4: services.a.x-deployer.corn: not known; it may hold cron, domain",
        ),
        ("image: a\n    x-deployer: yes", "services.a.x-deployer: it is no mapping"),
        ("image: a\n    env_file: no.env", "services.a.env_file: no.env cannot be read: No such file or directory"),
        ("image: a\n    env_file: bad.env", "services.a.env_file: bad.env: line 1 is not NAME=value"),
        (
            "image: a\n    environment: [A]",
            "services.a.environment: A is taken from outside, and is not in .env either",
        ),
        ("image: a\n    secrets: [x]", "services.a.secrets[0]: the file has no secret x"),
        ("image: a\n    volumes: [x:/x]", "services.a.volumes[0]: the file declares no volume x"),
        ("image: a\n    deploy: {mode: global}", "services.a.deploy.mode: give a number of replicas"),
        ("image: a\n    deploy: {resources: {limits: {pids: 1}}}", "limits.pids: Deployer has no counterpart"),
        ("image: a\n    expose: [1]\n    scale: 2", "a cannot run on 2 droplets: a tcp service is reached by its name"),
        ("image: a\n    read_only: true", "services.a.read_only: Deployer has no counterpart"),
        ("image: a\n    ports: 80", "it is not as Compose has it"),
    ],
)
def test_a_mistake_is_named_with_its_place(line: str, message: str) -> None:
    (found,) = refused(f"services:\n  a:\n    {line}\n", files={"/srv/bad.env": "a b\n"})
    assert message in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: [", "It is no YAML"),
        ("- a", "It has no services. Give a Compose file"),
        ("a: !!python/object:os.system x", "It is no YAML"),
        ("services: {a: &a [1]}\nx: " + "[" * 300 + "]" * 300, None),
    ],
)
def test_what_is_no_compose_file_is_refused(text: str, message: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        imported(text)
    assert message is None or message in str(caught.value)


def test_anchors_that_mean_billions_of_values_are_refused() -> None:
    lines = ["x-0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(InvalidInput, match="It means more than 50000 values"):
        imported("\n".join([*lines, "services: {a: {image: a}}"]))


@pytest.mark.parametrize(
    ("text", "why"),
    [("$C", "C has no value"), ("${C:?it is needed}", "it is needed"), ("5$", "write $$"), ("${A", "write $$")],
)
def test_a_variable_without_a_value_is_a_mistake(text: str, why: str) -> None:
    with pytest.raises(values.Unfit) as caught:
        values.interpolate(text, {"A": "1"})
    assert why in str(caught.value)
