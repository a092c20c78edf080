"""Who may come in: logins of people with their roles, in one private file; a password is never kept, only its hash."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from deployments.files import write_private
from deployments.production.roles import Role
from deployments.production.settings import ProductionSettings
from fleet.errors import InvalidInput, PermanentError

MOST = 200
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Person:
    """A login."""

    name: str
    role: Role
    hashed: str
    """Salted SHA-512, as `crypt(3)` writes it."""


def everybody(settings: ProductionSettings, known: str = "") -> tuple[Person, ...]:
    """The admin of the settings, then those who were let in.

    Args:
        settings: of the controller.
        known: the gateway's password file as it is; the admin's hash in it stays while the password does.
    """
    others = (person for person in _read(_file(settings)) if person.name != _admin_name(settings))
    return (_admin(settings, known), *others)


def let_in(settings: ProductionSettings, name: str, role: Role) -> str:
    """Gives a person a role and a new password, and gives the password; whoever had that name has both anew.

    Raises:
        InvalidInput: the name is the admin's or the machine's, or is not one; or there are too many people.
    """
    if not _NAME.fullmatch(name) or name == settings.machine_login.get_secret_value().partition(":")[0]:
        raise InvalidInput(f"{name!r} cannot be a login.", hint="Lower case letters, digits and '._-', 32 at most.")
    if name == _admin_name(settings):
        raise InvalidInput(f"{name} is the settings' admin.", hint="Change DEPLOYER_ADMIN_LOGIN in .env instead.")
    others = [person for person in _read(_file(settings)) if person.name != name]
    if len(others) >= MOST:
        raise InvalidInput(f"{MOST} people have a login already.", hint="Put those out who need none any more.")
    password = secrets.token_urlsafe(18)
    _write(_file(settings), [*others, Person(name, role, hashed(password))])
    return password


def put_out(settings: ProductionSettings, name: str) -> bool:
    """Takes a person's login away; says whether there was one."""
    known = _read(_file(settings))
    kept = [person for person in known if person.name != name]
    _write(_file(settings), kept)
    return len(kept) < len(known)


def hashed(password: str, salt: str | None = None) -> str:
    """The password's hash; it reaches `openssl` by its standard input, so that no process list shows it."""
    command = ["openssl", "passwd", "-6", "-salt", salt or secrets.token_hex(8), "-stdin"]
    done = subprocess.run(command, input=password, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode or not done.stdout.startswith("$6$"):
        raise PermanentError(f"openssl could not hash a password: {done.stderr.strip()[:200]}")
    return done.stdout.strip()


def _admin(settings: ProductionSettings, known: str) -> Person:
    name, _, password = settings.admin_login.get_secret_value().partition(":")
    salts = [line.split("$")[2] for line in known.splitlines() if line.startswith(f"{name}:$6$")]
    return Person(name, Role.ADMIN, hashed(password, *salts[:1]))


def _admin_name(settings: ProductionSettings) -> str:
    return settings.admin_login.get_secret_value().partition(":")[0]


def _file(settings: ProductionSettings) -> Path:
    return settings.place / "people.json"


def _read(path: Path) -> list[Person]:
    if not path.exists():
        return []
    return [Person(one["name"], Role(one["role"]), one["hashed"]) for one in json.loads(path.read_text())]


def _write(path: Path, people: list[Person]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps([asdict(person) for person in sorted(people, key=lambda one: one.name)], indent=1))
