"""Answers and messages as nobody should send them: real ones with a few things wrong.

Each test of these says that what comes of them is a value or an error of ours. `FUZZ_EXAMPLES` says
how many each tries; a run of everything tries few.
"""

from __future__ import annotations

import copy
import os
from datetime import datetime

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
#: The same examples at every run, unless somebody asks for many.
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
#: What stands where something else should.
ODD = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, "", " ", "x", "0", "-1", "NaN", "Infinity", "1e999999", "\ud800"),
            *(0, -1, 1, 10**30, -(10**30), 0.1, -0.0, 1e308, 5e-324),
            *(float("nan"), float("inf"), float("-inf")),
            *([], {}, [None], [[]], {"a": 1}, "[", "2026-13-45", "9999-12-31", "0001-01-01"),
            *("2026-11-20 10:00:00", "2026-11-20T10:00:00Z", "٣", "１", "0x10", "1_000", "é" * 300),
            *(datetime.min, datetime.max),  # noqa: DTZ901 - as libraries make them
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
)


@st.composite
def mutated(draw, value, odd=ODD, most=4):
    """A copy of nested lists and dictionaries with up to `most` things wrong."""
    box = [copy.deepcopy(value)]
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(box))
        holder, key = draw(st.sampled_from(places))
        action = draw(st.sampled_from(("replace", "replace", "remove", "double", "add")))
        inside = holder[key]
        if action == "replace":
            holder[key] = copy.deepcopy(draw(odd))
        elif action == "remove" and holder is not box:
            del holder[key]
        elif action == "double" and isinstance(holder, list) and holder is not box:
            holder.append(copy.deepcopy(inside))
        elif action == "add" and isinstance(inside, dict):
            inside[draw(st.text(max_size=8))] = copy.deepcopy(draw(odd))
        elif action == "add" and isinstance(inside, list):
            inside.append(copy.deepcopy(draw(odd)))
    return box[0]


def _places(holder):
    keys = holder if isinstance(holder, dict) else range(len(holder))
    for key in keys:
        yield holder, key
        if isinstance(holder[key], dict | list):
            yield from _places(holder[key])


@st.composite
def spliced(draw, *originals, most=6):
    """Bytes of one of these, cut, doubled, mixed with others and overwritten in places."""
    text = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, most))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        action = draw(st.sampled_from(("cut", "write", "double", "take", "flip", "end")))
        if action == "cut":
            del text[start:end]
        elif action == "write":
            text[start:end] = draw(st.binary(max_size=20))
        elif action == "double":
            text[start:start] = text[start:end] * draw(st.integers(1, 30))
        elif action == "take":
            other = draw(st.sampled_from(originals))
            at = draw(st.integers(0, len(other)))
            text[start:end] = other[at : at + draw(st.integers(0, 80))]
        elif action == "flip" and start < len(text):
            text[start] ^= 1 << draw(st.integers(0, 7))
        elif action == "end":
            del text[start:]
    return bytes(text)
