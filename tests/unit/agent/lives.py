"""What a service has lived through when something happens to it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from tests.unit.agent.builders import release
from tests.unit.agent.histories import EFFECTS, Change, Scene, Shapes

QUICK = settings(max_examples=40, deadline=None)
THOROUGH = settings(max_examples=80, deadline=None)
HOW_FAR = 16
"""More calls than a promotion or a rollback makes."""
ONE = (Change("prepare", 1), Change("promote", 1))
TWO = (*ONE, Change("prepare", 2), Change("promote", 2))
SHAPES: list[Shapes] = [
    ("web",),
    ("web with a volume",),
    ("tcp",),
    ("worker",),
    ("exclusive worker",),
    ("scheduled",),
    ("worker", "exclusive worker"),
    ("web", "web with a volume"),
    ("web", "tcp", "worker"),
    ("scheduled", "worker"),
]
FOUR = (*TWO, Change("prepare", 4), Change("promote", 4), Change("prepare", 5), Change("promote", 5))
KEPT = (*FOUR, Change("retire"))
PASTS = [
    (),
    ONE,
    (*ONE, Change("prepare", 4)),
    TWO,
    (*TWO, Change("prepare", 4)),
    (*TWO, Change("retire")),
    FOUR,
    KEPT,
    (*KEPT, Change("rollback", 2)),
    (*KEPT, Change("rollback", 2), Change("retire"), Change("prepare", 6)),
]


def deployed(scene: Scene, *numbers: int) -> None:
    """These releases, one after the other."""
    for number in numbers:
        assert [scene.run(Change(verb, number)) for verb in ("prepare", "promote")] == ["changed", "changed"]


def shaped(draw: st.DataObject) -> Shapes:
    """Half of all services are what most services are."""
    return draw.draw(st.sampled_from([SHAPES[0]] * len(SHAPES) + SHAPES), label="kinds")


def lived(draw: st.DataObject, *scenes: Scene, longest: int = 4) -> None:
    """A past, then anything a controller might ask; the same in all scenes."""
    asked = list(draw.draw(st.sampled_from(PASTS), label="past"))
    for change in asked:
        for scene in scenes:
            scene.run(change)
    for _ in range(draw.draw(st.integers(0, longest))):
        change = draw.draw(st.sampled_from(scenes[0].sensible()), label="asked")
        for scene in scenes:
            scene.run(change)


def cut(draw: st.DataObject, scene: Scene, twin: Scene) -> Change:
    """A change that the scene's agent dies in, just before or after an effect; in the twin it comes to its end."""
    moving = draw.draw(st.integers(0, 3)) and scene.moving()
    change = draw.draw(st.sampled_from(moving or scene.sensible()), label="cut off")
    before = len(twin.crashes.calls)
    twin.run(change)
    calls = enumerate(twin.crashes.calls[before:], 1)
    effects = [number for number, call in calls if call in EFFECTS or call == "router.update"]
    at = draw.draw(st.sampled_from(effects or [1]), label="at call")
    scene.run_and_die(change, at, done=draw.draw(st.booleans(), label="done"))
    return change


def kept(*numbers: int) -> dict[str, str]:
    """These releases in the role `kept`."""
    return {f"kept-{release(number)}": release(number) for number in numbers}


def running(scene: Scene) -> dict[str, str]:
    """The releases that run, by role."""
    return {one.role: one.release for one in scene.engine.instances() if one.running}
