"""The gateway's files: nginx for people, with TLS, logins and roles, and for workers, with one address of all APIs."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from string import Template

from deployments.production.people import Person
from deployments.production.roles import Role, rules
from deployments.production.settings import ProductionSettings

SOURCE = Path(__file__).parent / "nginx"


def configuration(
    settings: ProductionSettings, folder: Path, modules: str = "/etc/nginx/modules-enabled/*.conf"
) -> str:
    """nginx's configuration; only numbers, addresses and paths of checked settings go into it.

    Args:
        settings: of the controller.
        folder: where nginx finds its other files.
        modules: which module files it loads, among them Lua's.
    """
    # None is ever given up: on loopback, a server that is not there costs nothing to ask, and one that has just come
    # back is asked at once.
    servers = "\n".join(f"        server 127.0.0.1:{port} max_fails=0;" for port in settings.api_ports)
    certificate = settings.certificate or folder / "certificate.pem"
    return Template((SOURCE / "gateway.conf").read_text()).substitute(
        folder=folder,
        modules=modules,
        servers=servers,
        inner=f"127.0.0.1:{settings.ui_port}",
        outer=_listen(settings),
        certificate=certificate,
        certificate_key=settings.certificate_key or folder / "certificate.key",
        audit=settings.audit,
    )


def machine(settings: ProductionSettings) -> str:
    """The private file with which nginx speaks to the API servers in the place of a person that it has let in."""
    told = base64.b64encode(settings.machine_login.get_secret_value().encode()).decode()
    return f'proxy_set_header Authorization "Basic {told}";\n'


def passwords(people: tuple[Person, ...]) -> str:
    """nginx's password file: salted SHA-512."""
    return "".join(f"{person.name}:{person.hashed}\n" for person in people)


def roles(people: tuple[Person, ...]) -> str:
    """What the gateway's Lua reads: the rules, and each person's role."""
    return json.dumps({**rules(), "roles": {person.name: Role(person.role) for person in people}}, indent=1)


def lua() -> str:
    """The gateway's Lua, which applies the rules."""
    return (SOURCE / "gateway.lua").read_text()


def _listen(settings: ProductionSettings) -> str:
    host = settings.gateway_address
    return f"[{host}]:{settings.gateway_port}" if ":" in host else f"{host}:{settings.gateway_port}"
