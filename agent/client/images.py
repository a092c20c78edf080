"""Images through a droplet's agent: asked for, sent, built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from agent import wire
from agent.client.calls import Calls
from agent.client.transport import checked, json_body, parsed, timeout_of, translated

STREAM_SECONDS: Final = 600.0
"""The longest silence of a stream: a build step that says nothing, an archive that is being loaded."""


class ImageCalls(Calls):
    """Everything under `/images` and `/uploads`."""

    def image(self, reference: str) -> wire.Image:
        """One image, by id or tag, with the sizes of its layers."""
        return self._call(wire.Image, "GET", f"/images/{reference}")

    def missing(self, body: wire.ImageQuery) -> wire.ImageMissing:
        """Which layers of an image the droplet lacks."""
        return self._call(wire.ImageMissing, "POST", "/images/missing", body)

    def pull(self, reference: str, login: wire.RegistryLogin | None = None) -> wire.Image:
        """Have dockerd fetch an image; with a login, from a private registry."""
        body = wire.ImagePull(reference=reference, login=login)
        return self._call(wire.Image, "POST", "/images/pull", body, seconds=STREAM_SECONDS)

    def prune(self) -> wire.Pruned:
        """Remove images of releases that are gone, and those without a tag, that nothing uses."""
        return self._call(wire.Pruned, "POST", "/images/prune", seconds=STREAM_SECONDS)

    def load(self, archive: Iterable[bytes]) -> wire.Image:
        """Load an archive, which may lack layers that the droplet has."""
        with translated():
            reply = self._http.post("/images/load", content=archive, timeout=timeout_of(STREAM_SECONDS))
        return parsed(wire.Image, checked(reply))

    @contextmanager
    def save(self, body: wire.ImageSave) -> Iterator[Iterator[bytes]]:
        """The chunks of a partial archive of an image."""
        timeout = timeout_of(STREAM_SECONDS)
        with translated(), self._http.stream("POST", "/images/save", **json_body(body), timeout=timeout) as reply:
            if reply.is_error:
                reply.read()
            yield checked(reply).iter_raw()

    def build(self, context: Iterable[bytes], tag: str, dockerfile: str = "Dockerfile") -> Iterator[wire.BuildEvent]:
        """Build a tar context: the output as it comes, then one event with the image or the error."""
        return self._built("/images/build", params={"tag": tag, "dockerfile": dockerfile}, content=context)

    def uploaded(self, digest: str) -> wire.Upload:
        """How much of an upload is on the droplet; one that knows no uploads says `not_found`."""
        return self._call(wire.Upload, "GET", f"/uploads/{digest}")

    def upload(self, digest: str, content: Iterable[bytes], offset: int, total: int) -> wire.Upload:
        """Send an upload from `offset` to its end; in the end the droplet looks whether it has this digest."""
        params = {"offset": offset, "total": total}
        timeout = timeout_of(STREAM_SECONDS)
        with translated():
            reply = self._http.put(f"/uploads/{digest}", params=params, content=content, timeout=timeout)
        return parsed(wire.Upload, checked(reply))

    def load_upload(self, digest: str, tag: str | None = None) -> wire.Image:
        """Load an archive that was uploaded, and give its image a tag; it is gone from the uploads afterwards."""
        params = {"tag": tag} if tag else None
        return self._call(wire.Image, "POST", f"/images/load/{digest}", seconds=STREAM_SECONDS, params=params)

    def build_upload(self, digest: str, body: wire.Build) -> Iterator[wire.BuildEvent]:
        """Build a context that was uploaded: the output as it comes, then one event with the image or the error."""
        return self._built(f"/images/build/{digest}", **json_body(body))

    def _built(self, path: str, **given: Any) -> Iterator[wire.BuildEvent]:
        timeout = timeout_of(STREAM_SECONDS)
        with translated(), self._http.stream("POST", path, **given, timeout=timeout) as reply:
            if reply.is_error:
                reply.read()
            for line in checked(reply).iter_lines():
                yield wire.BuildEvent.model_validate_json(line)
