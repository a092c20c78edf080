"""What has a verdict: each once, the worst first."""

from __future__ import annotations

from tasks.health.subjects import subjects
from tests.unit.tasks.health.scenes import DROPLET, HOST, NAME, RELEASE, WHERE, edge, finding


def test_droplets_containers_and_names_are_subjects_with_keys_that_stay() -> None:
    service = finding(container=NAME, release=RELEASE, agent=None, edge=(edge(),), restarts=2)
    found = subjects([finding(edge=(edge(),)), service])
    assert [(one.key, one.title) for one in found] == [
        (f"deployer.droplet.{WHERE}.{DROPLET}", DROPLET),
        (f"deployer.container.{WHERE}.{DROPLET}.{NAME}", f"{NAME} on {DROPLET}"),
        (f"deployer.name.{WHERE}.{HOST}", HOST),
    ]
    assert [(one.restarts, one.seconds) for one in found] == [(None, 0.012), (2, None), (None, 0.034)]


def test_the_worst_comes_first() -> None:
    words = ("healthy", "unhealthy", "degraded", "unknown")
    found = subjects([finding(droplet=word, verdict=word) for word in words])
    assert [one.verdict for one in found] == ["unhealthy", "unknown", "degraded", "healthy"]


def test_a_name_where_the_edge_finds_nobody_is_unhealthy_and_one_that_it_could_not_ask_is_unknown() -> None:
    found = subjects([finding(edge=(edge(said="silent"), edge(name="b.example.com", said="unknown")))])
    assert {one.name: one.verdict for one in found if one.kind == "name"} == {
        HOST: "unhealthy",
        "b.example.com": "unknown",
    }


def test_what_does_not_serve_and_an_environment_that_nobody_saw_are_shown_and_not_followed() -> None:
    previous = finding(container=NAME, release=RELEASE, role="previous")
    unseen = finding(droplet="", agent=None, provider=None)
    found = subjects([finding(), previous, unseen])
    assert [(one.title, one.is_followed) for one in found] == [
        ("(all droplets)", False),
        (DROPLET, True),
        (f"{NAME} on {DROPLET}", False),
    ]
    assert len({one.key for one in subjects([previous, finding(container=NAME, release=RELEASE)])}) == 2
