"""A fixed 64-bit hash of strings, computed for many strings at once.

Python's own ``hash`` has a random seed per process, so sketches based on it would not merge. This
hash reads the UTF-8 bytes eight at a time, little-endian, and mixes each word into the state with
the multipliers of splitmix64. It ends with Murmur3's 64-bit finaliser, which includes the length:

    h = length * K
    for each word w (the last one padded with zeros): h = (rotl(h ^ mix(w), 27)) * K + 1
    hash = mix(h)

The hash does not protect values; use keyed BLAKE2b to keep a value secret.
`tests/sketch/test_hashing` has test vectors.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014); Appleby,
MurmurHash3 ``fmix64``.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

MAX_VECTOR_BYTES = 256  # bytes of a string; a longer string is first replaced by its BLAKE2b hash
_K = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_S33, _S27, _S37 = np.uint64(33), np.uint64(27), np.uint64(37)


def mixed(bits: Hashes) -> Hashes:
    """Return Murmur3's finaliser, in which every input bit affects every output bit; shape (n,)."""
    with np.errstate(over="ignore"):
        out = bits ^ (bits >> _S33)
        out *= _MIX[0]
        out ^= out >> _S33
        out *= _MIX[1]
        out ^= out >> _S33
    return out


def hash_strings(values: Sequence[str]) -> Hashes:
    """Return hashes of *values*, shape (n,); a lone surrogate counts as three bytes."""
    joined = "".join(values)
    if joined.isascii():
        lengths = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
        packed = joined.encode()
    else:
        encoded = [value.encode("utf-8", "surrogatepass") for value in values]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        packed = b"".join(encoded)
    offsets = np.zeros(lengths.size + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return hash_bytes(packed, offsets)


def hash_bytes(packed: bytes | memoryview, offsets: NDArray[np.int64]) -> Hashes:
    """Return hashes of ``packed[offsets[i]:offsets[i + 1]]``, offsets of shape (n + 1,).

    Arrow stores strings in this form, so no Python objects are created.
    """
    starts, lengths = offsets[:-1], np.diff(offsets)
    with np.errstate(over="ignore"):
        state = lengths.astype(np.uint64) * _K
        active = np.flatnonzero(lengths <= MAX_VECTOR_BYTES)  # longer strings are replaced below
        longest = int(lengths[active].max(initial=0))
        if longest:
            padded = np.empty(len(packed) + 8, dtype=np.uint8)
            padded[:-8] = np.frombuffer(packed, dtype=np.uint8)
            padded[-8:] = 0
            # A string may start at any byte, so the view of words has a stride of one byte.
            words = np.ndarray((padded.size - 7,), "<u8", padded, strides=(1,))
            for at in range(0, longest, 8):
                active = active[lengths[active] > at]
                left = np.minimum(lengths[active] - at, 8).astype(np.uint64)
                word = words[starts[active] + at]
                word &= np.uint64(0xFFFFFFFFFFFFFFFF) >> ((np.uint64(8) - left) * np.uint64(8))
                word = state[active] ^ mixed(word)
                state[active] = ((word << _S27) | (word >> _S37)) * _K + np.uint64(1)
        found = mixed(state)
    for at in np.flatnonzero(lengths > MAX_VECTOR_BYTES).tolist():
        piece = bytes(packed[int(offsets[at]) : int(offsets[at + 1])])
        digest = hashlib.blake2b(piece, digest_size=8).digest()
        found[at] = int.from_bytes(digest, "little")
    return found


def hash_numbers(values: NDArray[np.float64]) -> Hashes:
    """Return hashes of finite *values*, shape (n,); 0.0 and -0.0 are the same value."""
    return mixed((values + 0.0).view(np.uint64))
