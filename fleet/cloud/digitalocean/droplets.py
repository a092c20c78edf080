"""Droplets and their actions."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fleet import naming
from fleet.cloud.digitalocean.api import Api
from fleet.cloud.ports import ActionType
from fleet.errors import NotFound, PermanentError, RateLimited, TransientError
from fleet.state import Action, Droplet, DropletRequest

LOOKS, LOOK_SECONDS = 5, 2.0
"""How often, and how far apart, a droplet is looked for whose creation was not answered."""


class Droplets:
    """The port `fleet.cloud.ports.Droplets`."""

    def __init__(self, api: Api, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api, self._sleep = api, sleep

    def read_tagged(self, tag: str) -> list[Droplet]:
        """All droplets that carry the tag."""
        return [_droplet(item) for item in self._api.pages(self._api.sdk.droplets.list, "droplets", tag_name=tag)]

    def read_all(self) -> list[Droplet]:
        """All droplets of the account."""
        return [_droplet(item) for item in self._api.pages(self._api.sdk.droplets.list, "droplets")]

    def read(self, droplet_id: int) -> Droplet | None:
        """One droplet, or None when it does not exist."""
        try:
            return _droplet(self._api.call(self._api.sdk.droplets.get, "droplet", droplet_id))
        except NotFound:
            return None

    def ensure(self, request: DropletRequest) -> Droplet:
        """The droplet of this intent: looked for by its tag, else created, and looked for again after a lost reply."""
        found = self._of_intent(request)
        if found:
            return found
        try:
            return self._create(request)
        except RateLimited:
            raise  # refused before anything was made
        except TransientError as error:
            return self._look_again(request, error)

    def act(self, droplet_id: int, action: ActionType) -> Action:
        """Starts an action."""
        return self._start(droplet_id, {"type": action})

    def snapshot(self, droplet_id: int, name: str) -> Action:
        """Starts a snapshot."""
        return self._start(droplet_id, {"type": "snapshot", "name": name})

    def read_action(self, action_id: int) -> Action:
        """The action as it is now."""
        return _action(self._api.call(self._api.sdk.actions.get, "action", action_id))

    def remove(self, droplet_id: int) -> None:
        """Destroys one droplet of ours; absent is fine.

        Raises:
            PermanentError: its tags say that it is not ours.
        """
        found = self.read(droplet_id)
        if found is None:
            return
        if not naming.is_our_droplet(found.tags):
            raise PermanentError(
                f"The droplet {found.name} ({droplet_id}) is not ours, and was left alone.",
                hint="Destroy it in the control panel if it has to go.",
            )
        self._api.do(self._api.sdk.droplets.destroy, droplet_id)

    def _of_intent(self, request: DropletRequest) -> Droplet | None:
        found = self.read_tagged(naming.intent_tag(request.intent))
        if len(found) > 1:
            raise PermanentError(
                f"{len(found)} droplets carry the intent {request.intent}: {', '.join(str(one.id) for one in found)}.",
                hint="Destroy all but one of them in the control panel, then run this again.",
            )
        return found[0] if found else None

    def _look_again(self, request: DropletRequest, lost: TransientError) -> Droplet:
        """The droplet that a call without a reply may have made; lists lag, so it is looked for more than once."""
        for _ in range(LOOKS):
            self._sleep(LOOK_SECONDS)
            found = self._of_intent(request)
            if found:
                return found
        raise TransientError(
            f"The reply to the creation of {request.name} was lost, and no such droplet is listed. {lost.message}",
            hint="The next try looks for it first.",
        ) from lost

    def _create(self, request: DropletRequest) -> Droplet:
        body: dict[str, Any] = {
            "name": request.name,
            "region": request.region,
            "size": request.size,
            "image": int(request.image) if request.image.isdigit() else request.image,
            "tags": sorted({*request.tags, naming.intent_tag(request.intent)}),
            "ssh_keys": list(request.ssh_keys),
            "user_data": request.user_data,
            # It would install the console's agent, which is one more way in.
            "with_droplet_agent": False,
            "monitoring": False,
        }
        if request.vpc:
            body["vpc_uuid"] = request.vpc
        return _droplet(self._api.call(self._api.sdk.droplets.create, "droplet", body=body))

    def _start(self, droplet_id: int, body: dict[str, str]) -> Action:
        return _action(self._api.call(self._api.sdk.droplet_actions.post, "action", droplet_id, body=body))


def _droplet(item: dict[str, Any]) -> Droplet:
    addresses = {network["type"]: network["ip_address"] for network in item["networks"]["v4"]}
    return Droplet(
        id=item["id"],
        name=item["name"],
        status=item["status"],
        region=item["region"]["slug"],
        size=item["size_slug"],
        image=str(item["image"]["id"]),
        tags=frozenset(item["tags"]),
        public_address=addresses.get("public"),
        private_address=addresses.get("private"),
        created_at=datetime.fromisoformat(item["created_at"]),
        memory_mib=item["memory"],
    )


def _action(item: dict[str, Any]) -> Action:
    return Action(id=item["id"], type=item["type"], status=item["status"])
