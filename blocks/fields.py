"""What the blocks' fields have in common: checks whose messages say what to write, and how the forms show them.

The forms read JSON schema, and the default UI knows less of it than JSON schema has: a Union makes tabs as `anyOf`
only (so without a discriminator), and an optional text would be two tabs. Both are dealt with here. What a form sends
of a tab has no `kind`, so that the members of a Union must differ in the fields that they cannot do without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from prefect.settings import get_current_settings
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, WithJsonSchema
from pydantic.config import JsonDict

from fleet import checks, logs
from fleet.errors import InvalidInput

T = TypeVar("T")


def checked(check: Callable[[T], None]) -> AfterValidator:
    """Makes a field's validator of a check of `fleet.checks`; its message stays."""

    def validate(value: T) -> T:
        try:
            check(value)
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return value

    return AfterValidator(validate)


def _empty_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _not_masked(value: SecretStr) -> SecretStr:
    """Raises ValueError for the stars that stand for a secret: a form that stores them has lost it."""
    if not value.get_secret_value().strip("*"):
        raise ValueError("The token is missing: the form has sent the stars that stand for it. Enter it anew.")
    return value


def _is_url(value: SecretStr) -> SecretStr:
    """Raises ValueError for what is no address; the message does not hold it."""
    if not re.fullmatch(r"https?://[^\s/?#@]+([/?][^\s#]*)?", value.get_secret_value()):
        raise ValueError("This is no address. Write one like https://host/path, without user or password in it.")
    return value


def _texts(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": f"^{pattern}$"}})


def _text(pattern: str, *, empty: bool = False) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})?$" if empty else f"^{pattern}$"})


Word = Annotated[str, checked(lambda value: checks.check_word("thing", value)), _text(checks.WORD)]
"""A name of ours."""
Domain = Annotated[str, checked(checks.check_domain), _text(checks.DOMAIN)]
"""A full domain name in lower case."""
Domains = Annotated[list[Annotated[str, checked(checks.check_domain)]], _texts(checks.DOMAIN)]
"""Full domain names in lower case."""
Networks = Annotated[list[Annotated[str, checked(checks.check_network)]], _texts("[0-9A-Fa-f.:]+(/[0-9]{1,3})?")]
"""Addresses in CIDR form."""
Address = Annotated[str, _text(r"https://[^\s]+"), checked(checks.check_https)]
"""Where an API is."""
UrlPath = Annotated[
    str | None, checked(checks.check_optional_path), BeforeValidator(_empty_is_none), _text(checks.PATH, empty=True)
]
"""The path of a URL; empty means none."""
Folder = Annotated[str, checked(checks.check_context), _text(checks.CONTEXT)]
"""The absolute path of a folder on the worker's machine."""
FileInFolder = Annotated[str, checked(checks.check_dockerfile), _text(checks.DOCKERFILE)]
"""A path inside that folder."""
Reference = Annotated[str, checked(checks.check_reference), _text(checks.REFERENCE)]
"""The name of an image in a registry."""
Token = Annotated[SecretStr, AfterValidator(_not_masked)]
"""A token; what a form shows in its place is refused, so that no form can store that."""
OptionalToken = Annotated[SecretStr, AfterValidator(lambda value: _not_masked(value) if value else value)]
"""A token that may be empty."""
SecretUrl = Annotated[SecretStr, AfterValidator(lambda value: _is_url(_not_masked(value)) if value else value)]
"""An address that may be a secret, and may be empty."""
ArchiveFile = Annotated[str, checked(checks.check_archive), _text(checks.ARCHIVE)]
"""The absolute path of an archive on the worker's machine."""
Subfolder = Annotated[str, checked(checks.check_subfolder), _text(checks.DOCKERFILE, empty=True)]
"""A folder inside; empty means all of it."""
GitUrl = Annotated[str, checked(checks.check_git_url), _text(checks.GIT_URL)]
"""Where a repository is."""
RegistryUser = Annotated[str, checked(checks.check_registry_user), _text(checks.REGISTRY_USER, empty=True)]
"""Whom a registry asks for; may be empty."""
GitUser = Annotated[str, checked(checks.check_git_user), _text(checks.GIT_USER)]
"""Whom a git server asks for."""
Revision = Annotated[str, checked(checks.check_revision), _text(checks.REVISION)]
"""A full commit hash, or a tag."""
SavedImage = Annotated[str, checked(checks.check_saved), _text(checks.SAVED)]
"""The absolute path of an image's archive on the worker's machine."""
Packages = Annotated[list[Annotated[str, checked(checks.check_package)]], _texts(checks.PACKAGE)]
"""Debian packages."""
FilePath = Annotated[str, checked(checks.check_file), _text(checks.FILE)]
"""Where a file is inside an image."""
Mode = Annotated[str, checked(checks.check_mode), _text(checks.MODE)]
"""A file's permissions."""
CronLine = Annotated[str, checked(checks.check_cron), _text(checks.CRON)]
"""Five fields, as Debian's cron reads them."""
TimeZone = Annotated[str, checked(checks.check_zone), _text("[A-Za-z0-9_+/-]{1,64}")]
"""The name of a time zone."""
MountPath = Annotated[str, checked(checks.check_mount), _text(checks.MOUNT)]
"""Where a volume is inside a container."""
Command = Annotated[list[str], checked(checks.check_command)]
"""The words of a command."""
LogPatterns = Annotated[list[Annotated[str, checked(logs.check_pattern)]], Field(max_length=logs.PATTERNS_LIMIT)]
"""Regular expressions of the kind that can be matched in a time that is known."""
PemFile = Annotated[Path | None, BeforeValidator(_empty_is_none), WithJsonSchema({"type": "string", "format": "path"})]
"""A file on the worker's machine; empty means none."""


def without_kind(schema: JsonDict) -> None:
    """Leaves the word that tells a Union's members apart out of the form: the chosen tab says it already."""
    properties = schema.get("properties")
    if isinstance(properties, dict):
        properties.pop("kind", None)


def choose(*members: type[BaseModel]) -> BeforeValidator:
    """Finds the member of a Union that is meant, so that only its own complaints are shown.

    That of the `kind`; where a form leaves it out, the one whose fields fit best.
    """

    def validate(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        kinds = {member.model_fields["kind"].default: member for member in members}
        if "kind" not in value:
            return max(members, key=lambda member: _fit(member, value)).model_validate(value)
        if value["kind"] not in kinds:
            raise ValueError(f"{value['kind']!r} is not a kind. Give one of: {', '.join(kinds)}.")
        return kinds[value["kind"]].model_validate(value)

    return BeforeValidator(validate)


def _fit(member: type[BaseModel], value: Mapping[str, Any]) -> tuple[int, int]:
    """How well fields fit a model: unknown ones count against it first, then missing ones."""
    required = {name for name, field in member.model_fields.items() if field.is_required()}
    return -len(set(value) - set(member.model_fields)), -len(required - set(value))


def logo() -> Any:
    """A picture that the Prefect server itself serves, so that the catalogue shows one offline too.

    Prefect refuses data URLs here; None where no server is configured.
    """
    server = get_current_settings().ui_url
    return f"{server.rstrip('/')}/ico/android-chrome-192x192.png" if server else None
