"""Images of the Docker Engine: look, save, load, build, pull, prune."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from agent import wire
from agent.docker_api import DockerApi
from agent.server import instances
from agent.server.ports import BuildRequest, EngineAbsent, EngineError, Stream
from agent.server.streams import Decoded, messages

TRANSFER_SECONDS: Final = 600.0
"""How long one wait for more of an archive or of a build's output may take."""

DENIED: Final = ("unauthorized", "no basic auth credentials", "denied")
"""What Docker's words have in them when a registry wants another login, or one at all."""
DOCKER_HUB: Final = "docker.io"

Events = Iterator[wire.BuildEvent]


class EngineImages:
    """The half of the engine that knows images."""

    def __init__(self, api: DockerApi, label: str) -> None:
        self._api = api
        self._label = label

    def images(self) -> tuple[wire.Image, ...]:
        """All images but the intermediate ones of builds, whose layers are parts of the others'."""
        ids = [one["Id"] for one in self._api.json("GET", "/images/json")]
        return tuple(found for found in map(self._find, ids) if found)

    def image(self, reference: str) -> wire.Image:
        """One image by id or tag. Raises EngineAbsent."""
        found = self._api.json("GET", f"/images/{quote(reference, safe='')}/json")
        return wire.Image(
            id=found["Id"],
            layers=tuple(found["RootFS"].get("Layers") or ()),
            tags=tuple(found["RepoTags"] or ()),
            size=found["Size"],
        )

    def architectures(self, image: str) -> tuple[str, str]:
        """Docker's words. Raises EngineAbsent."""
        found = self._api.json("GET", f"/images/{quote(image, safe='')}/json")
        return str(found.get("Architecture", "")), str(self._api.json("GET", "/version").get("Arch", ""))

    def save(self, image: str) -> Stream[bytes]:
        """The whole archive, as Docker writes it."""
        answer = self._api.stream("GET", f"/images/{quote(image, safe='')}/get", seconds=TRANSFER_SECONDS)
        return Decoded(answer, iter)

    def load(self, archive: BinaryIO) -> None:
        """Load an archive. Raises EngineError with Docker's words, e.g. when a layer lacks that is not here."""
        answer = self._api.stream("POST", "/images/load", archive, seconds=TRANSFER_SECONDS, quiet=1)
        for message in messages(answer.chunks()):
            if "error" in message:
                raise EngineError(str(message["error"]), 400)

    def build(self, context: Iterable[bytes], request: BuildRequest) -> Stream[wire.BuildEvent]:
        """Build with the classic builder, which takes a local base as local and pulls one that is absent."""
        cache: dict[str, Any] = {"cachefrom": json.dumps(request.cache_from)} if request.cache_from else {}
        answer = self._api.stream(
            "POST",
            "/build",
            context,
            seconds=TRANSFER_SECONDS,
            t=request.tag,
            dockerfile=request.dockerfile,
            labels=json.dumps(request.labels),
            rm=1,
            forcerm=1,
            **cache,
        )
        return Decoded(answer, self._told(request.tag))

    def pull(self, reference: str, login: wire.RegistryLogin | None = None) -> Stream[wire.BuildEvent]:
        """Pull by dockerd's own means; a reference without tag or digest means `latest`.

        Raises EngineAbsent: the registry has no such image, or wants another login, or one at all.
        """
        name = reference if ":" in reference.rpartition("/")[2] or "@" in reference else f"{reference}:latest"
        headers = {"X-Registry-Auth": _login(name, login)} if login else {}
        try:
            answer = self._api.stream(
                "POST", "/images/create", seconds=TRANSFER_SECONDS, headers=headers, fromImage=name
            )
        except EngineError as error:
            if any(word in str(error) for word in DENIED):  # Docker says 500, as for a registry that is away
                raise EngineAbsent(str(error), 404) from error
            raise
        return Decoded(answer, self._told(name))

    def tag(self, image: str, tag: str) -> None:
        """Give an image this tag too. Raises EngineAbsent."""
        repository, _, name = tag.rpartition(":")
        self._api.json("POST", f"/images/{quote(image, safe='')}/tag", repo=repository, tag=name)

    def layer_sizes(self, image: str) -> tuple[int, ...]:
        """From the image's history, which has the topmost layer first."""
        steps = self._api.json("GET", f"/images/{quote(image, safe='')}/history")
        return tuple(step["Size"] for step in steps if step["Size"])

    def unused(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Those outside `keep` that may go, and that no container uses, whoever made it."""
        return tuple(one.id for one in self._unused(keep))

    def prune(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Remove them with all their tags; one that is needed after all, by then, Docker refuses to remove."""
        return tuple(one.id for one in self._unused(keep) if self._remove(one))

    def _unused(self, keep: frozenset[str]) -> list[wire.Image]:
        used = {one["ImageID"] for one in self._api.json("GET", "/containers/json", all=1)} | keep
        return [one for one in self.images() if one.id not in used and instances.may_go(self._label, one)]

    def _remove(self, image: wire.Image) -> bool:
        """The image goes with its last tag, which is the one that says that it may; where it has none, by its id."""
        others, ours = instances.sort_tags(self._label, image)
        for name in (*others, *ours, image.id):
            try:
                self._api.json("DELETE", f"/images/{quote(name, safe='')}", seconds=TRANSFER_SECONDS)
            except EngineAbsent:
                continue
            except EngineError as error:
                if error.status == 409:
                    return False
                raise
        return True

    def _find(self, reference: str) -> wire.Image | None:
        try:
            return self.image(reference)
        except EngineAbsent:  # removed since it was listed
            return None

    def _told(self, name: str) -> Callable[[Iterator[bytes]], Events]:
        def events(chunks: Iterator[bytes]) -> Events:
            made = name
            for message in messages(chunks):
                made = (message.get("aux") or {}).get("ID", made)  # the id: a tag may be another build's by now
                if "error" in message:
                    yield wire.BuildEvent(error=str(message["error"]))
                    return
                if line := _line(message):
                    yield wire.BuildEvent(line=line)
            yield wire.BuildEvent(image=self.image(made))

        return events


def _login(name: str, login: wire.RegistryLogin) -> str:
    """As Docker wants it in a header: it goes over the droplet's own socket, and is in nobody's process list."""
    first, slash, _ = name.partition("/")
    own = slash and ("." in first or ":" in first or first == "localhost")
    given = {"username": login.user, "password": login.password, "serveraddress": first if own else DOCKER_HUB}
    return base64.urlsafe_b64encode(json.dumps(given).encode()).decode()


def _line(message: dict[str, Any]) -> str:
    """A message as a line of output; progress bars, which repeat themselves, are left out."""
    if message.get("progressDetail"):
        return ""
    text = str(message.get("stream") or message.get("status") or "")
    prefix = f"{message['id']}: " if "id" in message and text else ""
    return f"{prefix}{text}".rstrip("\n")
