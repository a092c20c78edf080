"""Whether a droplet's disk takes an image, asked before anything of it travels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agent import wire
from agent.client import AgentClient
from blocks.environment import Environment
from fleet.errors import PermanentError
from fleet.state import Droplet, Image
from tasks.agents import reach
from tasks.policy import step

COPIES = 3
"""While an image is loaded its layers are there as they arrived, as Docker unpacks them, and as they will stay."""
AT_ONCE = 32
MIB = 1 << 20


@step("room for {image.short} on every droplet")
def check_all(source: Droplet, targets: Sequence[Droplet], image: Image, environment: Environment) -> None:
    """Whether every droplet has room for the layers that it lacks; the source says what they weigh.

    Raises:
        PermanentError: some have not; each is named with what it needs and what it has. Nothing was sent.
    """
    if not targets:
        return
    with reach(environment, source) as agent:
        weighed = weigh(agent, image)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda target: _lacking(target, weighed, environment), targets))
    _refuse([words for words in found if words])


def weigh(agent: AgentClient, image: Image) -> Image:
    """The same image, with what each of its layers weighs on a droplet that has it."""
    return Image(image.id, image.layers, image.size, agent.image(image.id).sizes)


def check(droplet: str, image: Image, missing: wire.ImageMissing) -> None:
    """Whether one droplet has room for the layers that it lacks.

    Raises:
        PermanentError: it has not. Nothing was sent.
    """
    _refuse([words for words in [_lack(droplet, image, missing)] if words])


def _lacking(target: Droplet, image: Image, environment: Environment) -> str:
    with reach(environment, target) as agent:
        return _lack(target.name, image, agent.missing(wire.ImageQuery(image=image.id, layers=image.layers)))


def _lack(droplet: str, image: Image, missing: wire.ImageMissing) -> str:
    """What a droplet has too little of, in words; nothing where it has enough, or cannot say."""
    needed = 0 if missing.present else COPIES * image.weight(len(missing.missing))
    if missing.free is None or needed <= missing.free:
        return ""
    return (
        f"{droplet} needs {_mib(needed)} for image {image.short} and has {_mib(missing.free)} free beside its reserve"
    )


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"


def _refuse(lacking: Sequence[str]) -> None:
    if lacking:
        raise PermanentError(
            f"The disk is too full, so nothing was sent: {'; '.join(lacking)}.",
            hint="Keep fewer releases (in the Service block), undeploy what is not needed, or take a larger size.",
        )
