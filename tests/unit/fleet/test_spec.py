"""What a person wants, checked at the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fleet.errors import InvalidInput
from fleet.spec import (
    ArchiveSource,
    BuildSource,
    ControllerSource,
    EnvironmentSpec,
    GitSource,
    Health,
    ImageSource,
    Scheduled,
    ServiceSpec,
    Tcp,
    Volume,
    Web,
    Worker,
    check_in_zone,
)

DATA = (Volume("data", "/data"),)
REPOSITORY = "https://github.com/acme/shop.git"


def environment(**changes: Any) -> EnvironmentSpec:
    """A good environment, but for these changes."""
    given = {"project": "demo", "name": "prod", "region": "fra1", "size": "s-1vcpu-1gb", "zone": "example.com"}
    return EnvironmentSpec(**{**given, **changes})


def service(**changes: Any) -> ServiceSpec:
    """A good service, but for these changes."""
    given = {"name": "hello", "source": ImageSource("debian:12"), "runs": Web(8080, ("hello.example.com",))}
    return ServiceSpec(**{**given, **changes})


def test_a_good_environment_and_a_good_service_are_taken_as_they_are() -> None:
    assert environment(controller_addresses=("203.0.113.7/32",)).controller_addresses == ("203.0.113.7/32",)
    taken = service(replicas=2, variables={"LANG": "C"}, secrets={"KEY": "x"})
    assert (taken.replicas, dict(taken.variables), dict(taken.secrets)) == (2, {"LANG": "C"}, {"KEY": "x"})
    assert taken.health == Health(path=None, start_seconds=60, timeout_seconds=2.0)


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (environment, {"project": "Demo"}, "'Demo' cannot be the name of a project. Use 1 to 39"),
        (environment, {"name": "prod_1"}, "'prod_1' cannot be the name of an environment. Use 1 to 39"),
        (environment, {"project": "a" * 39, "name": "b" * 39}, "Shorten them by 23 characters."),
        (environment, {"zone": "example"}, "'example' is not a domain name. Write it in full"),
        (environment, {"controller_addresses": ("home",)}, "'home' is not an address. Give it in CIDR form"),
        (service, {"name": "Hello"}, "'Hello' cannot be the name of a service. Use 1 to 39"),
        (service, {"replicas": 0}, "0 cannot be the number of replicas. Give 1 to 100."),
        (service, {"replicas": 101}, "101 cannot be the number of replicas. Give 1 to 100."),
        (service, {"memory_mib": 8}, "8 cannot be the memory (MiB). Give 16 to 1048576."),
        (service, {"cpus": 0}, "0 cannot be the number of CPUs. Give 0.01 to 256."),
        (service, {"drain_seconds": 601}, "601 cannot be the time to drain (seconds). Give 1 to 600."),
        (service, {"variables": {"A-B": "x"}}, "'A-B' cannot be the name of a variable or a secret. Use letters"),
        (service, {"secrets": {"../A": "x"}}, "'../A' cannot be the name of a variable or a secret. Use letters"),
        (
            service,
            {"secrets": dict.fromkeys([f"A{n}" for n in range(101)], "")},
            "101 cannot be the number of secrets.",
        ),
        (service, {"keep_releases": 0}, "0 cannot be the number of releases to keep. Give 1 to 20."),
        (service, {"keep_releases": 21}, "21 cannot be the number of releases to keep. Give 1 to 20."),
        (service, {"volumes": (*DATA, Volume("data", "/b"))}, "hello: a volume is given twice among its volumes. Name"),
        (service, {"volumes": (*DATA, Volume("b", "/data"))}, "hello: a path is given twice among its volumes. Name"),
        (service, {"command": ("a", "b\0")}, "Give at most 100 words of at most 4096 characters each."),
        (
            service,
            {"volumes": DATA, "replicas": 2},
            "hello cannot run on 2 droplets: it has a volume, which is on one droplet. Set replicas to 1, or keep its "
            "data in a service of its own and take its volumes away.",
        ),
        (
            service,
            {"runs": Tcp(6379), "replicas": 2},
            "hello cannot run on 2 droplets: a tcp service is reached by its name, which leads to one droplet. Set "
            "replicas to 1.",
        ),
        (
            service,
            {"runs": Scheduled("0 4 * * *"), "replicas": 2},
            "hello cannot run on 2 droplets: each of them would carry out every run. Set replicas to 1.",
        ),
        (
            service,
            {"runs": Worker(exclusive=True), "replicas": 2},
            "hello cannot run on 2 droplets: it is exclusive, so no two may run. Set replicas to 1.",
        ),
        (
            service,
            {"runs": Tcp(6379), "health": Health(path="/")},
            "hello is not a web service, so no health path can be asked of it. Leave the health path out, or",
        ),
        (
            service,
            {"variables": {"B": "1", "A": "1"}, "secrets": {"A": "2", "B": "2"}},
            "hello: A, B is a variable and a secret. Keep it in one of them.",
        ),
    ],
)
def test_a_bad_value_is_refused_with_what_to_write(
    make: Callable[..., object], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        make(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Web(0, ("a.example.com",)), "The port 0 is not a TCP port. Give one from 1 to 65535."),
        (lambda: Web(80, ()), "A web service needs a domain. Give one inside the environment's zone."),
        (lambda: Web(80, ("example",)), "'example' is not a domain name."),
        (lambda: Web(80, ("a.example.com",) * 2), "A domain is given twice. Name each domain once."),
        (lambda: Health(path="health"), "'health' is not the path of a URL. Begin with a slash"),
        (lambda: Health(start_seconds=0), "0 cannot be the time to start (seconds). Give 1 to 600."),
        (lambda: Health(timeout_seconds=61), "61 cannot be the time to answer (seconds). Give 0.1 to 60."),
        (lambda: BuildSource("srv"), "The build context 'srv' is not an absolute path."),
        (lambda: BuildSource("/srv", "../Dockerfile"), "'../Dockerfile' is not the path of a Dockerfile."),
        (lambda: ImageSource("Debian"), "'Debian' is not the name of an image."),
        (lambda: ControllerSource("-v"), "'-v' is not the name of an image."),
        (lambda: ArchiveSource("a.tar"), "'a.tar' is not the absolute path of an archive."),
        (lambda: ArchiveSource("/a.tar", "/b"), "'/b' is not the path of a folder inside."),
        (lambda: GitSource("http://a.com/b", "v1"), "'http://a.com/b' is not the address of a git repository."),
        (lambda: GitSource(REPOSITORY, "HEAD^"), "'HEAD^' is neither a commit nor a tag."),
        (lambda: GitSource("file:///srv/a.git", "v1", token="t"), "A token is for https, and file:///srv/a.git is"),
        (lambda: GitSource(REPOSITORY, "v1", user="a b"), "'a b' is no user's name."),
        (lambda: Web(80, tuple(f"a{n}.example.com" for n in range(21))), "21 cannot be the number of domains."),
        (lambda: Worker(steady_seconds=301), "301 cannot be the time to be steady (seconds). Give 1 to 300."),
        (lambda: Scheduled("0 4 * *"), "'0 4 * *' is not a cron line"),
        (lambda: Scheduled("0 4 * * *", ok_codes=(256,)), "an exit code"),
        (lambda: Scheduled("0 4 * * *", ok_codes=()), "the number of exit codes"),
        (lambda: Scheduled("0 4 * * *", failure_tolerance=0), "the failed runs in a row"),
        (lambda: Scheduled("0 4 30 2 *"), "'0 4 30 2 *' is not a cron line"),
        (lambda: Volume("data", "/a/../etc"), "'/a/../etc' is not where a volume can be."),
    ],
)
def test_a_bad_part_is_refused_with_what_to_write(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("domain", ["example.com", "hello.example.com", "a.b.example.com"])
def test_a_domain_of_the_zone_is_fine(domain: str) -> None:
    check_in_zone(service(runs=Web(80, (domain,))), "example.com")


@pytest.mark.parametrize("domain", ["hello.example.org", "notexample.com", "example.com.evil.org"])
def test_a_domain_outside_the_zone_is_refused_with_what_to_write(domain: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_in_zone(service(runs=Web(80, (domain,))), "example.com")
    assert str(caught.value) == (
        f"{domain} is not in the zone example.com. "
        "Use a domain that ends in .example.com, or an environment with the other zone."
    )


@pytest.mark.parametrize("runs", [Web(80, ("hello.example.com",)), Worker()], ids=["web", "worker"])
def test_what_keeps_nothing_may_run_on_many_droplets(runs: Web | Worker) -> None:
    assert service(runs=runs, replicas=9).single_reason == ""


def test_a_token_is_not_in_the_text_of_a_source() -> None:
    assert "ghp_1" not in repr(service(source=GitSource(REPOSITORY, "v1", token="ghp_1")))


def test_secrets_are_not_in_the_text_of_a_service() -> None:
    assert "hunter2" not in repr(service(secrets={"PASSWORD": "hunter2"}))
