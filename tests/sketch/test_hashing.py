import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import strategies

from nilometer.sketch.hashing import MAX_VECTOR_BYTES, hash_bytes, hash_numbers, hash_strings

WORD = (1 << 64) - 1
PINNED = ["0000000000000000", "8dbd146e4c262b02", "d6676086f693c158"]
PINNED_NUMBER = "885dcc874e75b6f0"


def mixed(bits: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        bits = ((bits ^ (bits >> 33)) * factor) & WORD
    return bits ^ (bits >> 33)


def hashed(text: str) -> int:
    """The definition, a word at a time."""
    packed = text.encode("utf-8", "surrogatepass")
    if len(packed) > MAX_VECTOR_BYTES:
        return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little")
    state = len(packed) * 0x9E3779B97F4A7C15 & WORD
    for at in range(0, len(packed), 8):
        state ^= mixed(int.from_bytes(packed[at : at + 8], "little"))
        state = ((state << 27 | state >> 37) * 0x9E3779B97F4A7C15 + 1) & WORD
    return mixed(state)


@given(st.lists(st.text(max_size=40) | st.characters(categories=["Cs"]), max_size=20))
def test_many_at_once_are_hashed_as_each_alone(values: list[str]) -> None:
    assert hash_strings(values).tolist() == [hashed(value) for value in values]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 255, 256, 257, 1000])
def test_every_length_is_hashed_to_its_end(length: int) -> None:
    text = "x" * length
    found = hash_strings([text, text + "y", "y"])
    assert found.tolist() == [hashed(text), hashed(text + "y"), hashed("y")]


def test_the_hash_is_pinned() -> None:
    """Sketches that are stored depend on it."""
    assert [f"{value:016x}" for value in hash_strings(["", "fraud", "größe"]).tolist()] == PINNED
    assert f"{int(hash_numbers(np.array([1.5]))[0]):016x}" == PINNED_NUMBER


def test_another_process_with_another_seed_finds_the_same() -> None:
    code = "from nilometer.sketch.hashing import hash_strings; print(hash_strings(['a', 'b']).tolist())"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(hash_strings(["a", "b"]).tolist())


@given(strategies.words)
def test_bytes_that_stand_in_arrow_need_no_copy(words: list[str]) -> None:
    packed = "".join(["skipped", *words]).encode()
    offsets = np.cumsum([7, *map(len, words)])
    assert hash_bytes(packed, offsets).tolist() == hash_strings(words).tolist()


def test_hashes_of_a_million_look_random() -> None:
    """Each of 64 bits is set in half of them, and none repeats."""
    found = hash_strings([f"user-{number}" for number in range(1_000_000)])
    assert np.unique(found).size == found.size
    for bit in range(64):
        share = float(((found >> np.uint64(bit)) & np.uint64(1)).mean())
        assert abs(share - 0.5) < 0.0025  # five standard deviations


def test_both_zeros_are_one_value() -> None:
    assert len(set(hash_numbers(np.array([0.0, -0.0])).tolist())) == 1
