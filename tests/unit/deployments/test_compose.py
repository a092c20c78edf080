"""A Compose file as services: what each becomes, and what stops the import, all of it at once and with its line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from blocks.service import Service
from deployments import __main__ as command
from deployments.compose import Imported, read, values
from deployments.compose.document import load
from deployments.compose.environment import Surroundings
from fleet.errors import InvalidInput
from fleet.spec import BuildSource, Health, ImageSource, Runs, Scheduled, ServiceSpec, Tcp, Volume, Web, Worker
from tests.unit.blocks import examples

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "compose" / "compose.yaml"


def imported(
    text: str, files: Mapping[str, str] | None = None, domains: Mapping[str, str] | None = None, **variables: str
) -> Imported:
    """What a file in `/srv` means, beside these files and with these variables."""

    def opened(path: Path) -> str:
        try:
            return (files or {})[str(path)]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", str(path)) from None

    document, findings = load(text, variables)
    around = Surroundings(Path("/srv"), variables, domains or {}, opened)
    return read(document, around, findings, "compose.yaml")


def only(text: str, **more: Any) -> ServiceSpec:
    """The one service, `a`, of which these are the lines."""
    lines = "\n".join(f"    {line}" for line in text.strip().splitlines())
    (found,) = imported(f"services:\n  a:\n{lines}\n", **more).services
    return found


def refused(text: str, **more: Any) -> list[str]:
    """Every reason why a file is not imported."""
    with pytest.raises(InvalidInput) as caught:
        imported(text, **more)
    assert caught.value.message.startswith("compose.yaml cannot be imported as it is:\n")
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


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


WEB = "image: a\nports: ['80:80']\nx-deployer: {domain: a.example.com}\n"


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


def test_a_probe_that_cannot_be_a_health_path_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'/a\?b' is not the path of a URL"):
        only(f"{WEB}healthcheck: {{test: 'curl --fail http://127.0.0.1:80/a?b'}}")


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


def test_all_that_cannot_be_carried_over_is_named_at_once_with_its_line() -> None:
    text = """
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
    assert refused(text, domains={"wbe": "a.example.com"}) == [
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


@pytest.mark.parametrize(
    ("text", "why"),
    [("$C", "C has no value"), ("${C:?it is needed}", "it is needed"), ("5$", "write $$"), ("${A", "write $$")],
)
def test_a_variable_without_a_value_is_a_mistake(text: str, why: str) -> None:
    with pytest.raises(values.Unfit) as caught:
        values.interpolate(text, {"A": "1"})
    assert why in str(caught.value)


def test_an_env_file_is_read_as_compose_does() -> None:
    text = "A=1\nexport B=\"x ${A}\\ny\" # note\nC='${A}#'\nD=a#b # note\n\n# note\nE=\n"
    assert values.env_file(text, {}) == {"A": "1", "B": "x 1\ny", "C": "${A}#", "D": "a#b", "E": ""}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command, with the fake file that it is given: its exit status for these arguments."""
    monkeypatch.setattr("deployments.server.environment", lambda _: {})
    monkeypatch.setenv("DEPLOYER_ADMIN_LOGIN", "admin:x")

    def run(text: str, *arguments: str) -> int:
        (tmp_path / "compose.yaml").write_text(text)
        monkeypatch.setattr(sys, "argv", ["deployments", "import-compose", str(tmp_path / "compose.yaml"), *arguments])
        return command.main()

    return run


TWO = """
services:
  web:
    image: shop:${TAG}
    ports: ["80:80"]
    environment: {PASSWORD: hunter2}
  redis: {image: redis}
"""


TAGGED = TWO.replace("${TAG}", "1")


@pytest.mark.usefixtures("prefect")
def test_the_command_saves_all_services_once_and_then_only_what_differs(
    told: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = examples.environment(project="composed")
    where.digitalocean.save("composed", overwrite=True)
    where.save("composed-prod", overwrite=True)
    (tmp_path / ".env").write_text("TAG=1\n")
    options = ("--environment", "composed-prod", "--domain", "web=web.example.com")
    assert told(TWO, *options, "--dry-run") == 0
    with pytest.raises(ValueError, match="Unable to find block document"):
        Service.load("composed-prod-web")
    assert told(TWO, *options) == 0
    first = cast(Service, Service.load("composed-prod-web"))
    assert first.spec().secrets == {"PASSWORD": "hunter2"}
    assert first.spec().runs == Web(80, ("web.example.com",))
    capsys.readouterr()
    assert told(TWO, *options) == 0
    assert told(TWO.replace("80:80", "80:8080"), *options) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if "Service composed" in line] == [
        "✓ Service composed-prod-web: unchanged",
        "✓ Service composed-prod-redis: unchanged",
        "✓ Service composed-prod-web: changed to what the file says",
        "✓ Service composed-prod-redis: unchanged",
    ]
    assert "hunter2" not in said
    assert cast(Service, Service.load("composed-prod-web")).environment.title() == "composed-prod"


@pytest.mark.parametrize(
    ("text", "message"),
    [(TWO, "services.web.image: TAG has no value"), ("services: 1", "It has no services.")],
)
def test_the_command_says_what_is_wrong_with_a_file(
    told: Any, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    assert told(text, "--environment", "refused-prod") == 1
    assert message in capsys.readouterr().out


@pytest.mark.usefixtures("prefect")
def test_services_that_do_not_fit_their_environment_are_not_saved(
    told: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(TAGGED, "--domain", "web=a.example.com", "--environment", "refused-prod") == 1
    assert "There is no environment refused-prod. Make its block in the UI" in capsys.readouterr().out
    examples.environment(project="refused").save("refused-prod")
    assert told(TAGGED, "--domain", "web=a.example.org", "--environment", "refused-prod") == 1
    assert "web: a.example.org is not in the zone example.com." in capsys.readouterr().out
    for name in ("web", "redis"):
        with pytest.raises(ValueError, match="Unable to find block document"):
            Service.load(f"refused-prod-{name}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    from deployments.compose.saving import open_file

    with pytest.raises(InvalidInput, match=r"none\.yaml or its \.env cannot be read"):
        open_file(tmp_path / "none.yaml", {})
