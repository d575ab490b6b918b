"""Splits messages of the Open Inference Protocol with binary tensors: JSON, then tensor bytes.

``Inference-Header-Content-Length`` is the length of the JSON. Loggers and proxies may lose this
header. If it is absent or wrong, parsing the JSON finds the end.

Source: Triton, "Binary Tensor Data Extension".
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from nilometer.bodies.json_text import parsed

BYTES = "BYTES"  # datatype of texts and byte strings, each preceded by its length
SIZE = "binary_data_size"  # parameter of a tensor: its number of bytes after the JSON
_MAX_LENGTH = 12  # digits of the header
LENGTH_BYTES = 4  # bytes of the length before each element of BYTES
_scan = json.JSONDecoder().raw_decode


def split(body: bytes, header_length: str) -> tuple[object, memoryview]:
    """Return the message at the start of *body*, and the bytes after it.

    Args:
        body: JSON, then the bytes of the tensors.
        header_length: Value of ``Inference-Header-Content-Length``, or empty.

    Raises:
        ValueError: If *body* does not begin with JSON.
    """
    if header_length.isascii() and header_length.isdigit() and len(header_length) < _MAX_LENGTH:
        end = int(header_length)
        if 0 < end <= len(body):
            try:
                return parsed(body[:end]), memoryview(body)[end:]
            except ValueError:
                pass  # the header is wrong: find the end by parsing
    try:
        # Latin-1 decodes any bytes after the JSON, one character per byte.
        _, end = _scan(body.decode("latin-1"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return parsed(body[:end]), memoryview(body)[end:]


def with_bytes(
    tensors: Iterable[Mapping[str, object]], raw: memoryview
) -> Iterator[tuple[Mapping[str, object], memoryview | None]]:
    """Yield each tensor with its part of *raw*, or with None if its data is in the JSON.

    Raises:
        ValueError: If a tensor has more bytes than remain.
    """
    at = 0
    for tensor in tensors:
        parameters = tensor.get("parameters")
        size = parameters.get(SIZE) if isinstance(parameters, dict) else None
        if size is None:
            yield tensor, None
            continue
        if type(size) is not int or not 0 <= size <= len(raw) - at:
            raise ValueError("a tensor is longer than the body")
        yield tensor, raw[at : at + size]
        at += size


def elements(raw: memoryview) -> Iterator[memoryview]:
    """Yield the elements of a tensor of `BYTES`.

    Raises:
        ValueError: If an element is longer than the tensor.
    """
    at = 0
    while at < len(raw):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start], "little")
        if start > len(raw) or at > len(raw):
            raise ValueError("an element is longer than the tensor")
        yield raw[start:at]
