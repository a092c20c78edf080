"""One suite for the port `Engine`, on the fake and on Docker: images."""

from __future__ import annotations

import io
import secrets
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import pytest

from agent import contexts, wire
from agent.server import archives
from agent.server.ports import BuildRequest, Engine, EngineAbsent, EngineError
from tests.contract.agent.engines import Lab, built, context, docker
from tests.fakes.stock import tar
from tests.unit.agent.builders import NAME, spec

TWO_LAYERS = "FROM scratch\nCOPY one /one\nCOPY two /two\n"
MANY_STEPS = "FROM scratch\nCOPY one /one\nENV A=1\nCOPY two /two\nENV B=1\nENV C=1\n"
RUNS = 'FROM scratch\nCOPY one /one\nCMD ["/one"]\n'


def build(lab: Lab, tag: str, dockerfile: str = TWO_LAYERS, **files: bytes) -> wire.Image:
    made = built(lab.engine, f"{lab.repository}:{tag}", dockerfile, **files)[-1].image
    assert made is not None
    return made


def saved(engine: Engine, image: wire.Image, omit: Collection[str] = ()) -> io.BytesIO:
    with closing(engine.save(image.id)) as stream:
        whole = io.BytesIO(b"".join(stream))
    return io.BytesIO(b"".join(archives.partial(whole, omit))) if omit else whole


def forget(lab: Lab, image: wire.Image, tag: str) -> None:
    """The image is not here any more: its tag moves to another one, and then it is pruned."""
    build(lab, tag, "FROM scratch\nCOPY other /other\n", other=b"other")
    others = {one.id for one in lab.engine.images()} - {image.id}
    assert image.id in lab.engine.prune(frozenset(others))


def test_an_image_is_found_by_id_and_by_tag(lab: Lab) -> None:
    image = build(lab, "find", one=b"found", two=b"2")
    assert lab.engine.image(image.id) == image
    assert lab.engine.image(f"{lab.repository}:find") == image
    assert image in lab.engine.images()
    assert (len(image.layers), image.tags) == (2, (f"{lab.repository}:find",))
    assert image.size > 0


@pytest.mark.parametrize("reference", ["sha256:" + "0" * 64, "agent-test-nobody:has-this"])
def test_an_image_that_is_not_here_is_absent(lab: Lab, reference: str) -> None:
    with pytest.raises(EngineAbsent):
        lab.engine.image(reference)
    with pytest.raises(EngineError):
        lab.engine.save(reference)


def test_a_build_tells_its_steps_and_ends_with_its_image(lab: Lab) -> None:
    events = built(lab.engine, f"{lab.repository}:steps", TWO_LAYERS, one=b"steps", two=b"2")
    told = [event.line for event in events if event.line]
    assert [line for line in told if line.startswith("Step")] == [
        "Step 1/3 : FROM scratch",
        "Step 2/3 : COPY one /one",
        "Step 3/3 : COPY two /two",
    ]
    assert [event.image is not None for event in events].index(True) == len(events) - 1
    assert events[-1].image == lab.engine.image(f"{lab.repository}:steps")


def test_a_build_can_begin_from_an_image_that_only_this_droplet_has(lab: Lab) -> None:
    base = build(lab, "mine", one=b"mine", two=b"2")
    made = build(lab, "child", f"FROM {lab.repository}:mine\nCOPY three /three\n", three=b"3")
    assert made.layers[:2] == base.layers
    assert len(made.layers) == 3


@pytest.mark.parametrize(
    "dockerfile", ["FROM scratch\nCOPY absent /absent\n", 'FROM scratch\nCOPY one /one\nRUN ["/missing"]\n']
)
def test_a_build_that_fails_ends_with_its_error_and_has_no_image(lab: Lab, dockerfile: str) -> None:
    events = built(lab.engine, f"{lab.repository}:broken", dockerfile, one=b"1")
    assert events[-1].error
    assert all(event.image is None for event in events)
    with pytest.raises(EngineAbsent):
        lab.engine.image(f"{lab.repository}:broken")


def test_a_tag_that_is_built_again_moves_to_the_new_image(lab: Lab) -> None:
    first = build(lab, "moves", one=b"moves", two=b"2")
    second = build(lab, "moves", one=b"moves", two=b"changed")
    assert lab.engine.image(f"{lab.repository}:moves").id == second.id
    assert lab.engine.image(first.id).tags == ()
    assert first.layers[0] == second.layers[0]


def test_a_saved_image_is_an_archive_that_loads_where_it_was_forgotten(lab: Lab) -> None:
    image = build(lab, "travels", one=b"travels", two=b"2")
    archive = saved(lab.engine, image)
    assert archives.read(archive).image == image.id
    forget(lab, image, "travels")
    archive.seek(0)
    lab.engine.load(archive)
    assert lab.engine.image(image.id).layers == image.layers


def test_an_archive_without_the_layers_that_are_here_loads_all_the_same(lab: Lab) -> None:
    base = build(lab, "base-of-partial", one=b"shared", two=b"shared too")
    child = build(lab, "partial", f"FROM {lab.repository}:base-of-partial\nCOPY three /three\n", three=b"own")
    archive = saved(lab.engine, child, base.layers)
    assert set(archives.read(archive).layers) == set(child.layers)
    forget(lab, child, "partial")
    archive.seek(0)
    lab.engine.load(archive)
    assert lab.engine.image(child.id).layers == child.layers


def test_an_archive_that_lacks_a_layer_nobody_has_is_refused_and_leaves_no_image(lab: Lab) -> None:
    image = build(lab, "lacking", one=b"nobody has it", two=b"nor this")
    archive = saved(lab.engine, image, image.layers)
    forget(lab, image, "lacking")
    with pytest.raises(EngineError):
        lab.engine.load(archive)
    with pytest.raises(EngineAbsent):
        lab.engine.image(image.id)


def test_an_archive_with_a_byte_that_is_not_its_own_is_refused_and_leaves_no_image(lab: Lab) -> None:
    alone = secrets.token_hex(8).encode()  # Docker does not read a layer that anything here has
    image = build(lab, "flipped", one=b"as it was: " + alone, two=b"2")
    archive = saved(lab.engine, image).read()
    forget(lab, image, "flipped")
    with pytest.raises(EngineError):
        lab.engine.load(io.BytesIO(archive.replace(b"as it was", b"as it wbs")))
    with pytest.raises(EngineAbsent):
        lab.engine.image(image.id)


def test_pruning_spares_tags_containers_and_what_is_to_be_kept(lab: Lab) -> None:
    kept, used, loose = (build(lab, "prune", RUNS, one=word) for word in (b"kept", b"used", b"loose"))
    tagged = build(lab, "prune", RUNS, one=b"tagged")
    lab.engine.create(NAME, spec(1, used.id))
    foreign = {one.id for one in lab.engine.images()} - {kept.id, used.id, loose.id, tagged.id}
    assert loose.id in lab.engine.prune(frozenset(foreign | {kept.id}))
    here = {one.id for one in lab.engine.images()}
    assert here & {kept.id, used.id, tagged.id, loose.id} == {kept.id, used.id, tagged.id}
    lab.engine.remove(f"{NAME}.candidate")
    assert set(lab.engine.unused(frozenset(foreign))) >= {kept.id, used.id}
    assert {kept.id, used.id} <= set(lab.engine.prune(frozenset(foreign)))


def test_an_image_that_a_release_ran_goes_with_all_its_tags_once_no_container_uses_it(lab: Lab) -> None:
    pulled = build(lab, "pulled", RUNS, one=b"as if it was pulled")
    lab.engine.create(NAME, spec(1, pulled.id))
    assert len(lab.engine.image(pulled.id).tags) == 2
    foreign = frozenset({one.id for one in lab.engine.images()} - {pulled.id})
    assert lab.engine.prune(foreign) == (), "its container is here"
    lab.engine.remove(f"{NAME}.candidate")
    assert lab.engine.prune(foreign) == (pulled.id,)
    with pytest.raises(EngineAbsent):
        lab.engine.image(f"{lab.repository}:pulled")


def test_the_sizes_of_an_images_layers_are_told_topmost_first(lab: Lab) -> None:
    image = build(
        lab, "sizes", "FROM scratch\nCOPY one /one\nCOPY two /two\nLABEL a=b\n", one=b"1" * 10, two=b"2" * 30000
    )
    upper, lower = lab.engine.layer_sizes(image.id)
    assert upper > lower > 0
    with pytest.raises(EngineAbsent):
        lab.engine.layer_sizes("sha256:" + "0" * 64)


def test_a_context_whose_dockerfile_is_empty_is_refused_before_anything_is_built(lab: Lab) -> None:
    with pytest.raises(EngineError):
        built(lab.engine, f"{lab.repository}:nothing", "", one=b"1")


def test_a_context_that_was_written_anew_gives_the_same_image(lab: Lab) -> None:
    content = tar({"Dockerfile": TWO_LAYERS.encode(), "one": b"anew", "two": b"2"})
    images = []
    for chunks in ([content], contexts.rewritten(io.BytesIO(content))):
        with closing(lab.engine.build(chunks, BuildRequest(tag=f"{lab.repository}:anew"))) as stream:
            images.append(list(stream)[-1].image)
    assert images[0] == images[1]


def test_a_tag_moves_to_the_image_that_is_given_it(lab: Lab) -> None:
    first, second = build(lab, "tagged-one", one=b"first", two=b"2"), build(lab, "tagged-two", one=b"second", two=b"2")
    for image in (first, second, second):
        lab.engine.tag(image.id, f"{lab.repository}:given")
        assert lab.engine.image(f"{lab.repository}:given").id == image.id
    with pytest.raises(EngineAbsent):
        lab.engine.tag("sha256:" + "0" * 64, f"{lab.repository}:given")


@pytest.mark.docker
def test_docker_builds_on_an_image_that_was_brought_what_the_first_that_begins_alike_has_not(
    tmp_path: Path,
) -> None:
    with docker(tmp_path) as real:
        first = build(real, "many", MANY_STEPS, one=b"alike", two=b"first")
        brought = saved(real.engine, first)
        forget(real, first, "many")
        real.engine.load(brought)
        assert again(real, b"first", first.id) == first.id
        second = again(real, b"second", first.id)
        assert again(real, b"second", second, first.id) == second
        assert again(real, b"second", first.id, second) != second


def again(lab: Lab, two: bytes, *known: str) -> str:
    """The image that another build gives, with these for a cache."""
    request = BuildRequest(f"{lab.repository}:many", cache_from=known)
    with closing(lab.engine.build(context(MANY_STEPS, one=b"alike", two=two), request)) as stream:
        image = list(stream)[-1].image
    assert image is not None
    return image.id
