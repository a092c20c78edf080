"""What a single value may be: the good ones pass, and every bad one is refused with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import checks
from fleet.errors import InvalidInput

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Prefect's threads, when another test has started them, use it while Hypothesis draws."""
Check = Callable[[Any], None]


def word(value: str) -> None:
    """The check of a word, for a service."""
    checks.check_word("service", value)


def replicas(value: float) -> None:
    """A check of bounds."""
    checks.check_between("the number of replicas", value, 1, 100)


LONG = ".".join(["a" * 60] * 5)
TABLE: list[tuple[Check, str, list[Any], list[Any]]] = [
    (
        word,
        "Use 1 to 39 lower-case letters, digits and dashes, beginning with a letter.",
        ["a", "hello", "web-2", "a" * 39],
        ["", "Hello", "2web", "-a", "a_b", "a.b", "a b", "é", "a\n", "a" * 40],
    ),
    (
        checks.check_domain,
        "Write it in full and in lower case, e.g. hello.example.com.",
        ["example.com", "a.b-c.example.com", "hello.deployer.localhost", "xn--bcher-kva.example"],
        ["", "com", "Example.com", "-a.com", "a-.com", "a..com", ".com", "a.com.", "a.1", "a.com\n", "*.a.com", LONG],
    ),
    (checks.check_port, "Give one from 1 to 65535.", [1, 8080, 65535], [0, -1, 65536]),
    (
        checks.check_path,
        "Begin with a slash and leave the host out, e.g. /health.",
        ["/", "/health", "/a/b.json", "/~x%20y"],
        ["", "health", "http://a.com/", "/a b", "/a?b=c", "/a#b", "/a\n", "/é", "/" + "a" * 512],
    ),
    (
        checks.check_variable,
        "Use letters, digits and underscores, not beginning with a digit, e.g. DATABASE_URL.",
        ["A", "_a1", "DATABASE_URL", "a" * 128],
        ["", "1A", "A-B", "A B", "A=B", "A\n", "../A", "a" * 129],
    ),
    (
        checks.check_context,
        "Give the whole path of the folder on the machine that runs the worker, e.g. /srv/shop.",
        ["/", "/srv/shop", "/with a blank"],
        ["", ".", "srv/shop", "~/shop", "C:\\shop", "/srv\x00/etc"],
    ),
    (
        checks.check_dockerfile,
        "Give its path inside the folder, e.g. Dockerfile.",
        ["Dockerfile", "docker/web.Dockerfile", ".docker/Dockerfile", "a-b_c"],
        ["", "/Dockerfile", "../Dockerfile", "a/../../b", "a/", "a//b", ".", "..", "a b", "a\n", "a" * 256],
    ),
    (
        checks.check_reference,
        "Give registry, name and tag, e.g. ghcr.io/acme/shop:1.4.2.",
        ["debian:12", "ghcr.io/acme/shop:1.4.2", "localhost:5000/a@sha256:" + "0" * 64],
        ["", "Debian", "-a", "a b", "a;b", "a\n", "a" * 256],
    ),
    (
        checks.check_archive,
        "Give the whole path of a .tar, .tar.gz, .tgz or .zip file, e.g. /srv/shop.tar.gz.",
        ["/srv/shop.tar", "/srv/shop.tar.gz", "/a.tgz", "/with a blank/a.zip"],
        ["", "a.tar", "/srv/shop", "/srv/shop.rar", "/srv\x00/a.tar", "/a.tar/"],
    ),
    (
        checks.check_subfolder,
        "Give it without a slash at either end, e.g. web/app.",
        ["", "web", "web/app", ".docker"],
        ["/", "/web", "web/", "..", "web/../..", ".", "a\n", "a" * 256],
    ),
    (
        checks.check_git_url,
        "Begin with https://, ssh:// or file://, without a password, e.g. https://github.com/acme/shop.git.",
        ["https://github.com/acme/shop.git", "ssh://git@host.example:2222/~me/a", "file:///srv/git/a.git"],
        [
            "",
            "http://github.com/a",
            "git://github.com/a",
            "ext::sh -c x",
            "git@github.com:a/b",
            "https://github.com",
            "ssh://-oProxyCommand=x/a",
            "file://srv/a",
            "https://a.com/b?c",
            "https://a.com/b c",
            "https://a.com/b\n",
            "--upload-pack=x",
        ],
    ),
    (
        checks.check_revision,
        "Give a full commit hash, or a tag, e.g. v1.4.2.",
        ["a" * 40, "0" * 64, "v1.4.2", "release/2026-11", "1.0+b2", "v"],
        ["", "-v", "v1..v2", "v1^", "v1~2", "HEAD@{1}", "a b", "v1.", "/v1", "v1/", "a//b", "a.lock", "v:1", "a\n"],
    ),
    (checks.check_git_user, "Where only the token counts, leave it at git.", ["git", "me@a.com"], ["", "-a", "a b"]),
    (
        checks.check_cron,
        "Write minute, hour, day of month, month and day of week, e.g. 30 4 * * 1-5.",
        ["* * * * *", "*/5 4 1,15 * mon-fri"],
        ["", "* * * *", "@daily", "* * * * * *", "61 * * * *", "0 0 30 2 *", "* * * * *\n", "0 0 * * " + "1," * 150],
    ),
    (checks.check_zone, "Give its name, e.g. UTC or Europe/Berlin.", ["UTC", "Europe/Berlin"], ["", "Mars", "../etc"]),
    (
        checks.check_mount,
        "Give an absolute path, e.g. /var/lib/data.",
        ["/data", "/var/lib/redis"],
        ["", "/", "data", "/a/../b", "/a b", "/run/secrets", "/run/secrets/a", "/a:b", "/a\n"],
    ),
    (
        checks.check_network,
        "Give it in CIDR form, e.g. 203.0.113.7/32 for a single machine.",
        ["203.0.113.7/32", "203.0.113.7", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"],
        ["", "10.0.0", "10.0.0.1/8", "10.0.0.0/33", "example.com", "10.0.0.0/8\n", "10.0.0.0-10.0.0.9"],
    ),
    (
        checks.check_https,
        "Begin with https://, as a token is sent there.",
        ["https://api.example.com", "https://127.0.0.1:8443/v4"],
        ["", "http://api.example.com", "api.example.com", "https://", "https:///v4", "https://a b", "https://a\n"],
    ),
    (replicas, "Give 1 to 100.", [1, 100, 2.5], [0, 101, -3, float("nan"), float("inf")]),
]
GOOD = [(check, value) for check, _, good, _ in TABLE for value in good]
BAD = [(check, value, hint) for check, hint, _, bad in TABLE for value in bad]


def named(value: object) -> str:
    """A short name for a case."""
    return getattr(value, "__name__", repr(value)[:30])


@pytest.mark.parametrize(("check", "value"), GOOD, ids=named)
def test_a_good_value_passes(check: Check, value: object) -> None:
    check(value)


@pytest.mark.parametrize(("check", "value", "hint"), BAD, ids=named)
def test_a_bad_value_is_refused_with_what_to_write_instead(check: Check, value: object, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(value)
    assert caught.value.hint == hint
    shown = f"{value:.9g}" if isinstance(value, float) else repr(value)
    assert shown in caught.value.message


def test_no_path_is_fine_and_a_bad_one_is_not() -> None:
    checks.check_optional_path(None)
    with pytest.raises(InvalidInput, match="Begin with a slash"):
        checks.check_optional_path("health")


def test_names_that_make_a_droplets_name_too_long_are_refused_with_how_much_to_cut() -> None:
    checks.check_droplet_name("a" * 39, "b" * 16)
    with pytest.raises(InvalidInput) as caught:
        checks.check_droplet_name("a" * 39, "b" * 19)
    assert caught.value.hint == "Shorten them by 3 characters."


@pytest.mark.parametrize("words", [["a"] * 101, ["a", "b" * 4097], ["a\0"]])
def test_a_command_is_bounded(words: list[str]) -> None:
    checks.check_command(["sh", "-c", "echo 'a b'", ""])
    with pytest.raises(InvalidInput, match="Give at most 100 words of at most 4096 characters each"):
        checks.check_command(words)


@pytest.mark.parametrize("url", ["https://me:hunter2@a.com/b", "ssh://git@-x/hunter2@b"])
def test_a_password_in_an_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not the address of a git repository") as caught:
        checks.check_git_url(url)
    assert "me:hunter2" not in str(caught.value)


def test_large_bounds_are_written_out() -> None:
    with pytest.raises(InvalidInput) as caught:
        checks.check_between("the memory (MiB)", 2_000_000, 16, 1_048_576)
    assert str(caught.value) == "2000000 cannot be the memory (MiB). Give 16 to 1048576."


@given(st.from_regex(checks.WORD, fullmatch=True))
def test_whatever_the_form_lets_through_as_a_word_the_plans_take(value: str) -> None:
    word(value)


@given(st.from_regex(checks.DOCKERFILE, fullmatch=True))
def test_no_dockerfile_path_leads_out_of_its_folder(value: str) -> None:
    assert ".." not in value.split("/")
    assert not value.startswith("/")


@given(st.text(max_size=60))
def test_a_value_is_either_refused_or_a_single_line(value: str) -> None:
    for check in (word, checks.check_domain, checks.check_path, checks.check_variable, checks.check_reference):
        try:
            check(value)
        except InvalidInput:
            continue
        assert not re.search(r"\s", value)


@pytest.mark.parametrize("text", ["a" * 141, "ы" * 71, "two\nlines"])
def test_a_description_of_more_than_a_line_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="Say it in one line of 140 bytes"):
        checks.check_description(text)
