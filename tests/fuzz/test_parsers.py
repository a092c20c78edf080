"""Whatever somebody sends, a parser reads it or says what is wrong with it; nothing else ever happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import CORPUS, PARSERS, Parser

EXAMPLES = int(os.environ.get("EXAMPLES", "25"))
NAMES = sorted(PARSERS)
SEEDS = {name: sorted((CORPUS / name).iterdir()) for name in NAMES}
FILES = [path for paths in SEEDS.values() for path in paths]


def read(parser: Parser, content: bytes) -> None:
    """Reads it, or is refused as the parser refuses."""
    try:
        parser.read(content)
    except parser.refuses:
        return


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed of which pieces were cut out, doubled, or changed for noise."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(content)))
        end = draw(st.integers(begin, min(len(content), begin + 600)))
        instead = draw(st.one_of(st.binary(max_size=12), st.just(content[begin:end] * 2), st.sampled_from(PIECES)))
        content = content[:begin] + instead + content[end:]
    return content


PIECES = [b"\0" * 512, b"\xff" * 8, b"9" * 11, b"7777777777777", b"-1", b"\n", b"\r\n", b"../", b"/", b"[" * 1200, b'"']


def noise(name: str) -> st.SearchStrategy[bytes]:
    """Bytes, mutated seeds, and sentences made of the language's own words."""
    seeds = [path.read_bytes() for path in SEEDS[name]]
    words = PARSERS[name].words
    sentences = st.lists(st.sampled_from(words) | st.text(max_size=4), max_size=24) if words else st.just([""])
    spoken = sentences.map("".join).map(lambda text: text.encode("utf-8", "surrogatepass"))
    repeated = st.builds(
        lambda word, count: word.encode() * count, st.sampled_from(words or ("\0",)), st.integers(1, 1200)
    )
    return st.one_of(mutated(seeds), spoken, repeated, st.binary(max_size=200))


@pytest.mark.parametrize("name", NAMES)
def test_every_parser_has_seeds_in_the_corpus(name: str) -> None:
    assert SEEDS[name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_seed_is_read_or_refused_as_its_name_says(path: Path) -> None:
    """`good-…` is read; `bad-…` is refused."""
    parser = PARSERS[path.parent.name]
    if path.name.startswith("good"):
        parser.read(path.read_bytes())
    else:
        with pytest.raises(parser.refuses):
            parser.read(path.read_bytes())


@pytest.mark.filterwarnings("ignore:Possible (nested set|set)")  # what Docker's own patterns become
@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_is_read_or_refused(name: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(noise(name))
    def holds(content: bytes) -> None:
        read(PARSERS[name], content)

    holds()
