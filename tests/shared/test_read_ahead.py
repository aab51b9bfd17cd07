"""What the broker sends comes in pieces that know nothing of frames: every frame is handled once, as a whole and in order."""

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.rabbitmq import FRAME, FRAME_END, ReadAhead

Frame = tuple[int, int, bytes]
frames = st.lists(st.tuples(st.sampled_from((1, 2, 3, 8)), st.integers(0, 3), st.binary(max_size=300)), max_size=12)


def on_the_wire(sent: list[Frame]) -> bytes:
    return b"".join(FRAME.pack(kind, channel, len(payload)) + payload + FRAME_END for kind, channel, payload in sent)


def cut(stream: bytes, places: list[int]) -> Iterator[bytes]:
    """The stream in the pieces in which the socket gives it; none is empty, as that would be its end."""
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return (stream[start:end] for start, end in pairwise(edges))


def as_the_library_reads(ahead: ReadAhead) -> Frame:
    """One frame as py-amqp reads it: its head, its payload, its end, each by as many looks as it takes."""

    def exactly(wanted: int) -> bytes:
        found = b""
        while len(found) < wanted:
            found += ahead(wanted - len(found))
        return found

    kind, channel, size = FRAME.unpack(exactly(FRAME.size))
    payload = exactly(size)
    assert exactly(1) == FRAME_END
    return kind, channel, payload


@given(frames, st.lists(st.integers(0, 10_000), max_size=20))
def test_every_frame_comes_out_whole_once_and_in_order_wherever_the_stream_was_cut(sent: list[Frame], places: list[int]) -> None:
    pieces = cut(on_the_wire(sent), places)
    ahead = ReadAhead(lambda at_most: next(pieces))
    found: list[Frame] = []
    while len(found) < len(sent):
        found.append(as_the_library_reads(ahead))
        found += ahead.frames()
    assert found == sent
    assert list(ahead.frames()) == []


def test_a_frame_that_does_not_end_as_it_should_is_left_to_the_library() -> None:
    whole, broken = on_the_wire([(1, 1, b"first")]), FRAME.pack(1, 1, 6) + b"second" + b"?"
    ahead = ReadAhead(lambda at_most: whole + broken)
    assert as_the_library_reads(ahead) == (1, 1, b"first")
    assert list(ahead.frames()) == []
    assert ahead(7) == broken[:7]
