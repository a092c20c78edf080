"""What a single value may be: one rule for the forms and for the plans.

Every check raises `InvalidInput` with a sentence that says what to write instead; the patterns serve the forms too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from fleet.errors import InvalidInput

WORD = r"[a-z][a-z0-9-]{0,38}"
DOMAIN = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
PATH = r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,511}"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
CONTEXT = r"/[^\x00]*"
_COMPONENT = r"\.?[A-Za-z0-9_-][A-Za-z0-9._-]*"
DOCKERFILE = rf"({_COMPONENT}/)*{_COMPONENT}"
CRON = r"[0-9*,/A-Za-z-]+( [0-9*,/A-Za-z-]+){4}"
MOUNT = r"/[A-Za-z0-9._-][A-Za-z0-9._/-]{0,254}"
REFERENCE = r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}"
ARCHIVE = r"/[^\x00]*\.(tar|tar\.gz|tgz|zip)"
SUBFOLDER = rf"({DOCKERFILE})?"
_HOST = r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?"
GIT_URL = rf"(https://{_HOST}|ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?{_HOST}|file://)/[^\s?#]{{1,500}}"
COMMIT = r"[0-9a-f]{40}([0-9a-f]{24})?"
_TAG = r"[A-Za-z0-9_]([A-Za-z0-9._/+-]{0,198}[A-Za-z0-9_+-])?"
REVISION = _TAG
"""Commits look like tags, so this is the pattern of both."""
REGISTRY_USER = r"[A-Za-z0-9_$][A-Za-z0-9._@+$-]{0,254}"
GIT_USER = r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,99}"
SAVED = r"/[^\x00]*\.tar"
PACKAGE = r"[a-z0-9][a-z0-9+.-]{1,99}(=[A-Za-z0-9][A-Za-z0-9.+:~-]{0,99})?"
FILE = r"(/[A-Za-z0-9_@+-][A-Za-z0-9._@+-]{0,127}|/\.[A-Za-z0-9_@+-][A-Za-z0-9._@+-]{0,126}){1,20}"
MODE = r"0?[0-7]{3}"
DESCRIPTION_BYTES = 140
"""A line; what else is known of a snapshot is kept beside it."""
WORDS_LIMIT = 100
"""Words of a command."""
LABEL_LIMIT = 63
"""A droplet's name is its host name and its certificate's name: one label of a domain name."""
SUFFIX = 7
"""A dash and six digits end a droplet's name."""


def check_word(what: str, value: str) -> None:
    """Whether a project, environment or service may be called this; names become parts of tags and container names."""
    if not re.fullmatch(WORD, value):
        raise InvalidInput(
            f"{value!r} cannot be the name of {'an' if what[0] in 'aeiou' else 'a'} {what}.",
            hint="Use 1 to 39 lower-case letters, digits and dashes, beginning with a letter.",
        )


def check_droplet_name(project: str, environment: str) -> None:
    """Whether droplets of this project and environment can be named after both."""
    over = len(project) + 1 + len(environment) + SUFFIX - LABEL_LIMIT
    if over > 0:
        raise InvalidInput(
            f"The names {project!r} and {environment!r} are together too long for a droplet's name.",
            hint=f"Shorten them by {over} characters.",
        )


def check_domain(value: str) -> None:
    """Whether this is a full domain name in lower case."""
    if len(value) > 253 or not re.fullmatch(DOMAIN, value):
        raise InvalidInput(
            f"{value!r} is not a domain name.", hint="Write it in full and in lower case, e.g. hello.example.com."
        )


def check_port(value: int) -> None:
    """Whether this is a TCP port."""
    if not 1 <= value <= 65535:
        raise InvalidInput(f"The port {value} is not a TCP port.", hint="Give one from 1 to 65535.")


def check_path(value: str) -> None:
    """Whether this can be asked of an HTTP server."""
    if not re.fullmatch(PATH, value):
        raise InvalidInput(
            f"{value!r} is not the path of a URL.", hint="Begin with a slash and leave the host out, e.g. /health."
        )


def check_variable(value: str) -> None:
    """Whether an environment variable or a secret may be called this."""
    if not re.fullmatch(VARIABLE, value):
        raise InvalidInput(
            f"{value!r} cannot be the name of a variable or a secret.",
            hint="Use letters, digits and underscores, not beginning with a digit, e.g. DATABASE_URL.",
        )


def check_context(value: str) -> None:
    """Whether this is the absolute path of a folder; whether it is there is looked at where the worker runs."""
    if not re.fullmatch(CONTEXT, value):
        raise InvalidInput(
            f"The build context {value!r} is not an absolute path.",
            hint="Give the whole path of the folder on the machine that runs the worker, e.g. /srv/shop.",
        )


def check_dockerfile(value: str) -> None:
    """Whether this is a path that stays inside the build context."""
    if len(value) > 255 or not re.fullmatch(DOCKERFILE, value):
        raise InvalidInput(
            f"{value!r} is not the path of a Dockerfile.", hint="Give its path inside the folder, e.g. Dockerfile."
        )


def check_reference(value: str) -> None:
    """Whether this can be the name of an image."""
    if not re.fullmatch(REFERENCE, value):
        raise InvalidInput(
            f"{value!r} is not the name of an image.", hint="Give registry, name and tag, e.g. ghcr.io/acme/shop:1.4.2."
        )


def check_archive(value: str) -> None:
    """Whether this is the absolute path of an archive; whether it is there is looked at where the worker runs."""
    if not re.fullmatch(ARCHIVE, value):
        raise InvalidInput(
            f"{value!r} is not the absolute path of an archive.",
            hint="Give the whole path of a .tar, .tar.gz, .tgz or .zip file, e.g. /srv/shop.tar.gz.",
        )


def check_subfolder(value: str) -> None:
    """Whether this is empty, or the path of a folder that stays inside."""
    if len(value) > 255 or not re.fullmatch(SUBFOLDER, value):
        raise InvalidInput(
            f"{value!r} is not the path of a folder inside.",
            hint="Give it without a slash at either end, e.g. web/app.",
        )


def check_git_url(value: str) -> None:
    """Whether a repository can be fetched from here; a password has no place in it."""
    if not re.fullmatch(GIT_URL, value):
        raise InvalidInput(
            f"{re.sub('//[^/]*@', '//…@', value)!r} is not the address of a git repository.",
            hint="Begin with https://, ssh:// or file://, without a password, e.g. https://github.com/acme/shop.git.",
        )


def check_revision(value: str) -> None:
    """Whether this is a full commit hash or the name of a tag."""
    inner = re.search(r"\.\.|//|/\.|\./|\.lock(/|$)", value)
    if inner or not re.fullmatch(REVISION, value):
        raise InvalidInput(
            f"{value!r} is neither a commit nor a tag.", hint="Give a full commit hash, or a tag, e.g. v1.4.2."
        )


def check_registry_user(value: str) -> None:
    """Whether a registry may be told this name; none is fine."""
    if value and not re.fullmatch(REGISTRY_USER, value):
        raise InvalidInput(f"{value!r} is no user's name.", hint="Give the name that `docker login` takes.")


def check_git_user(value: str) -> None:
    """Whether a git server may be told this name."""
    if not re.fullmatch(GIT_USER, value):
        raise InvalidInput(f"{value!r} is no user's name.", hint="Where only the token counts, leave it at git.")


def check_network(value: str) -> None:
    """Whether this is an address or a network."""
    try:
        ip_network(value)
    except ValueError:
        raise InvalidInput(
            f"{value!r} is not an address.", hint="Give it in CIDR form, e.g. 203.0.113.7/32 for a single machine."
        ) from None


def check_between(what: str, value: float, least: float, most: float) -> None:
    """Whether a number is within its bounds, both included."""
    if not least <= value <= most:
        raise InvalidInput(f"{value:.9g} cannot be {what}.", hint=f"Give {least:.9g} to {most:.9g}.")


def check_message(value: str) -> None:
    """A line of plain text for visitors."""
    check_between("the length of the message", len(value), 0, 300)
    if not all(letter >= " " and letter != "\x7f" for letter in value):
        raise InvalidInput("The message has a line break or another control character.", hint="Write it on one line.")


def check_optional_path(value: str | None) -> None:
    """Whether this is empty or can be asked of an HTTP server."""
    if value is not None:
        check_path(value)


def check_https(value: str) -> None:
    """Whether this is the address of an API that may be given a token."""
    if not re.fullmatch(r"https://[^\s/]+[^\s]*", value):
        raise InvalidInput(
            f"{value!r} is not the address of an API.", hint="Begin with https://, as a token is sent there."
        )


def check_cron(value: str) -> None:
    """Whether this is a cron line of five fields that comes due at all; its words are those of Debian's cron."""
    try:
        if len(value) > 256 or not re.fullmatch(CRON, value):
            raise CronSimError("it has not five fields")
        next(CronSim(value, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise InvalidInput(
            f"{value!r} is not a cron line: {error}.",
            hint="Write minute, hour, day of month, month and day of week, e.g. 30 4 * * 1-5.",
        ) from None


def check_zone(value: str) -> None:
    """Whether this is the name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise InvalidInput(f"{value!r} is not a time zone.", hint="Give its name, e.g. UTC or Europe/Berlin.") from None


def check_mount(value: str) -> None:
    """Whether a volume may be mounted here inside a container."""
    parts = value.split("/")
    if not re.fullmatch(MOUNT, value) or ".." in parts or parts[1:3] == ["run", "secrets"]:
        raise InvalidInput(
            f"{value!r} is not where a volume can be.", hint="Give an absolute path, e.g. /var/lib/data."
        )


def check_command(words: Sequence[str]) -> None:
    """Whether these words can be run instead of an image's own command."""
    if len(words) > WORDS_LIMIT or any("\0" in word or len(word) > 4096 for word in words):
        raise InvalidInput(
            "The command is too long, or holds a character that no program can be given.",
            hint=f"Give at most {WORDS_LIMIT} words of at most 4096 characters each.",
        )
    if words and not words[0].strip():
        raise InvalidInput("The command begins with an empty word.", hint="Begin with the program, e.g. python3.")


def check_saved(value: str) -> None:
    """Whether this is the absolute path of an image's archive."""
    if not re.fullmatch(SAVED, value):
        raise InvalidInput(
            f"{value!r} is not the path of an image's archive.",
            hint="Give the absolute path of what `docker save --output base.tar IMAGE` wrote, e.g. /srv/base.tar.",
        )


def check_package(value: str) -> None:
    """Whether this is the name of a Debian package, perhaps with its version."""
    if not re.fullmatch(PACKAGE, value):
        raise InvalidInput(
            f"{value!r} is not the name of a Debian package.", hint="Write e.g. python3, or python3=3.11.2-1+b1."
        )


def check_file(value: str) -> None:
    """Whether a recipe may put a file there."""
    if not re.fullmatch(FILE, value):
        raise InvalidInput(
            f"A recipe cannot put a file at {value!r}.",
            hint="Give an absolute path of plain letters, digits and . _ @ + -, e.g. /etc/motd.",
        )


def check_mode(value: str) -> None:
    """Whether these are a file's permissions."""
    if not re.fullmatch(MODE, value):
        raise InvalidInput(f"{value!r} are no permissions.", hint="Give three octal digits, e.g. 644 or 755.")


def check_description(value: str) -> None:
    """Whether a snapshot can carry this description."""
    if len(value.encode()) > DESCRIPTION_BYTES or not (value.isprintable() or not value):
        raise InvalidInput(
            f"The description is {len(value.encode())} bytes long, or more than one line.",
            hint=f"Say it in one line of {DESCRIPTION_BYTES} bytes.",
        )
