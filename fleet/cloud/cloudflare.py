"""Cloudflare behind the port `fleet.cloud.ports.Dns`, over the vendor's SDK."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx

from fleet import naming
from fleet.cloud.budget import Budget, Window
from fleet.cloud.clients import Account, Clients
from fleet.cloud.origins import CloudflareOrigins
from fleet.errors import DeployerError, InvalidInput, NotFound, PermanentError, RateLimited, Refused, TransientError
from fleet.state import Record, TokenFacts

T = TypeVar("T")

TIMEOUT_SECONDS = 30.0
BUDGET = Budget("Cloudflare", Window(720, 300))
"""60 % of the 1,200 calls in five minutes after which Cloudflare blocks a user."""
PER_PAGE = 1000
MOST_PAGES = 50
PATIENCE_SECONDS = 5.0
"""How long to wait when a 429 does not say."""
WIDEST = {4: 8, 6: 16}
"""A range of the edge with fewer bits than this is none; the widest have 13 and 29."""
BAD_TOKEN_CODES = {6003, 6111, 9109, 10000}
"""A malformed token is answered with 400, not with 401."""
REVOKED = (
    "It was revoked, has expired, may not do this (Zone Read and DNS Edit on the zone), or was never one: put another "
    "in its place with `python -m deployments rotate-tokens cloudflare`."
)
SEEN_ZONES = 5
"""Zones that are named of those that a token can see."""


NEW = Record("", "", "A", "", proxied=True, comment="")
"""What the first record of a name is like."""


def _connect(account: Account) -> Any:
    import cloudflare

    client = httpx.Client(verify=ssl.create_default_context(cafile=account.ca_file), timeout=TIMEOUT_SECONDS)
    return cloudflare.Cloudflare(api_token=account.token, base_url=account.url, http_client=client, max_retries=0)


CLIENTS = Clients(_connect)


class Cloudflare:
    """The records of one zone; making it makes no call."""

    def __init__(
        self, token: str, zone: str, api_url: str = "https://api.cloudflare.com/client/v4", ca_file: Path | None = None
    ) -> None:
        self._zone, self._url = zone, api_url.rstrip("/")
        self._account = Account(token, self._url, str(ca_file) if ca_file else None)

    @property
    def sdk(self) -> Any:
        """The vendor's client; it never repeats a call by itself."""
        return CLIENTS.get(self._account)

    @property
    def origins(self) -> CloudflareOrigins:
        """The zone's origins."""
        return CloudflareOrigins(self._call, lambda: self.sdk, lambda: self.zone_id)

    @cached_property
    def zone_id(self) -> str:
        """The zone's id.

        Raises:
            InvalidInput: the token sees no zone of that name.
        """
        found = self._call(lambda: self.sdk.zones.list(name=self._zone)).result
        if not found:
            raise InvalidInput(
                f"The Cloudflare token sees no zone {self._zone}.",
                hint="Mend the zone in the credentials block, or give its token Zone Read and DNS Edit on it.",
            )
        return str(found[0].id)

    def read_zone(self) -> str:
        """The zone's name, proving that the token may see it."""
        return self._zone if self.zone_id else ""

    def read_token(self) -> TokenFacts:
        """What Cloudflare tells of the token: when it ends, and which zones it sees.

        Raises:
            Refused: it is not active.
        """
        zones = self._call(lambda: self.sdk.zones.list(per_page=SEEN_ZONES)).result or ()
        try:
            told = self._call(lambda: self.sdk.user.tokens.verify())
        except Refused:  # one that belongs to an account and to no user is not known there, and sees its zones
            told = None
        if told is not None and told.status != "active":
            raise Refused(f"Cloudflare says that the token is {told.status}.", hint=REVOKED)
        return TokenFacts(told.expires_on if told else None, tuple(one.name for one in zones))

    def read_records(self, name: str | None = None, comment: str | None = None) -> list[Record]:
        """Records with this exact name and whose comment contains this text."""
        filters: dict[str, Any] = {}
        if name:
            filters["name"] = {"exact": name}
        if comment:
            filters["comment"] = {"contains": comment}
        return [_record(item) for item in self._pages(filters)]

    def ensure(
        self, name: str, address: str, comment: str, proxied: bool | None = None, ttl: int | None = None
    ) -> Record:
        """An A record with this name, address and comment; a new one is proxied unless the service's others are not.

        A record of the same service for the same address gets the comment; what else a person has set there stays. One
        that is not ours is never changed.
        """
        found = [one for one in self.read_records(name=name) if one.type == "A"]
        if there := next((one for one in found if one.content == address), None):
            return self._adopt(there, comment)
        like = next((one for one in found if naming.same_service(one.comment, comment)), NEW)
        fields = {
            "type": "A",
            "name": name,
            "content": address,
            "ttl": like.ttl if ttl is None else ttl,
            "proxied": like.proxied if proxied is None else proxied,
            "comment": comment,
        }
        return _record(self._call(lambda: self.sdk.dns.records.create(zone_id=self.zone_id, **fields)))

    def remove(self, record_id: str) -> None:
        """Deletes one record of ours; absent is fine.

        Raises:
            PermanentError: the record's comment says that it is not ours.
        """
        try:
            found = _record(self._call(lambda: self.sdk.dns.records.get(record_id, zone_id=self.zone_id)))
            naming.check_ours(found.comment, f"The {found.type} record {found.name} to {found.content}")
            self._call(lambda: self.sdk.dns.records.delete(record_id, zone_id=self.zone_id))
        except NotFound:
            return

    def read_edge_ranges(self) -> tuple[str, ...]:
        """Addresses from which the edge connects.

        Raises:
            TransientError: it is empty, which would close every service, or holds what would open a droplet to others.
        """
        ranges = self._call(lambda: self.sdk.ips.list())
        found = (*(ranges.ipv4_cidrs or ()), *(ranges.ipv6_cidrs or ()))
        if not found:
            raise TransientError("Cloudflare gave an empty list of its addresses; it was not used.")
        if strange := next((one for one in found if not _is_range(one)), None):
            raise TransientError(f"Cloudflare's list of its addresses holds {str(strange)[:80]!r}; it was not used.")
        return found

    def _adopt(self, record: Record, comment: str) -> Record:
        if record.comment == comment:
            return record
        if not naming.same_service(record.comment, comment):
            raise InvalidInput(
                f"The zone has an A record {record.name} to {record.content} that this service did not make.",
                hint="Delete it in Cloudflare if it is not needed, or give the service another domain.",
            )
        asked = {"type": record.type, "name": record.name, "ttl": record.ttl}  # by the SDK; the comment alone changes
        edit = self.sdk.dns.records.edit
        return _record(self._call(lambda: edit(record.id, zone_id=self.zone_id, comment=comment, **asked)))

    def _pages(self, filters: dict[str, Any]) -> Iterator[Any]:
        """All items of all pages, page by page: the SDK's own iterator does not end where a server ignores `page`."""
        for number in range(1, MOST_PAGES + 1):
            items = self._page(number, filters)
            yield from items
            if len(items) < PER_PAGE:
                return
        raise PermanentError(f"The zone {self._zone} lists more than {MOST_PAGES * PER_PAGE} records.")

    def _page(self, number: int, filters: dict[str, Any]) -> list[Any]:
        records = self.sdk.dns.records
        page = self._call(lambda: records.list(zone_id=self.zone_id, page=number, per_page=PER_PAGE, **filters))
        return list(page.result or ())

    def _call(self, method: Callable[[], T]) -> T:
        import cloudflare

        BUDGET.spend()
        try:
            return method()
        except cloudflare.APIError as error:
            raise _translate(error, self._url) from error


def _is_range(text: object) -> bool:
    """Whether it is a network, and none so wide that it must be somebody else's too."""
    try:
        network = ipaddress.ip_network(str(text))
    except ValueError:
        return False
    return network.prefixlen >= WIDEST[network.version]


def _translate(error: Any, url: str) -> DeployerError:
    status = getattr(error, "status_code", None)
    if status is None:
        return TransientError(
            f"Cloudflare at {url} did not answer ({type(error).__name__}).",
            hint="Look whether this machine reaches that address and trusts its certificate.",
        )
    text = "; ".join(f"{one.message} ({one.code})" for one in error.errors or ()) or f"status {status}"
    codes = {one.code for one in error.errors or ()}
    if status == 429:
        return RateLimited(f"Cloudflare asks for patience: {text}.", retry_after=_seconds(error.response.headers))
    if status in (401, 403) or codes & BAD_TOKEN_CODES:
        return Refused(f"Cloudflare refuses the token: {text}.", hint=REVOKED)
    if status == 404:
        return NotFound(f"Cloudflare: {text}.")
    if status >= 500 or status == 408:
        return TransientError(f"Cloudflare answers {status}: {text}.")
    if status in (400, 409, 422):
        return InvalidInput(f"Cloudflare does not accept this: {text}.", hint="Mend the value that it names.")
    return PermanentError(f"Cloudflare answers {status}: {text}.", hint="Its status page may say more.")


def _seconds(headers: httpx.Headers) -> float:
    try:
        return float(headers.get("retry-after", PATIENCE_SECONDS))
    except ValueError:
        return PATIENCE_SECONDS


def _record(item: Any) -> Record:
    return Record(
        id=item.id,
        name=item.name,
        type=item.type,
        content=item.content or "",
        proxied=bool(item.proxied),
        comment=item.comment or "",
        ttl=int(item.ttl or 1),
    )
