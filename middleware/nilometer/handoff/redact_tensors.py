"""Redacts bodies of the Open Inference Protocol with binary tensors after the JSON."""

from collections.abc import Mapping

from nilometer.bodies.tensor_frames import BYTES, LENGTH_BYTES, SIZE, elements, split, with_bytes
from nilometer.handoff.redact_json import Documents
from nilometer.handoff.withheld import Withheld

_KEYS = ("inputs", "outputs")


def with_tensors(body: bytes, header_length: str, documents: Documents) -> bytes:
    """Return *body* without the named tensors: their JSON and their bytes are removed.

    Args:
        body: JSON, then the bytes of the tensors.
        header_length: Value of ``Inference-Header-Content-Length``, or empty.
        documents: Object that redacts the JSON.

    Raises:
        ValueError: If *body* is not such a message.
        Withheld: If a named field may remain.
    """
    head, raw = split(body, header_length)
    message = head if isinstance(head, dict) else {}
    written: list[bytes] = []
    left = raw
    for key in _KEYS:
        tensors = message.get(key)
        if not isinstance(tensors, list) or not all(isinstance(one, dict) for one in tensors):
            continue
        documents.check_tensors(str(one.get("name")) for one in tensors)
        kept: list[object] = []
        for tensor, chunk in with_bytes(tensors, left):
            if chunk is None:
                kept.append(tensor)
                continue
            left = left[len(chunk) :]
            name = str(tensor.get("name"))
            if not documents.fields.key(name, name):
                written.append(_clean(tensor, name, chunk, documents))
                kept.append(_with_size(tensor, len(written[-1])))
        message[key] = kept
    if len(left) == len(raw):
        raise ValueError("no binary tensor")
    return documents.encoded(message) + b"".join(written)


def _with_size(tensor: Mapping[str, object], size: int) -> Mapping[str, object]:
    parameters = tensor.get("parameters")
    others = parameters if isinstance(parameters, dict) else {}
    return {**tensor, "parameters": {**others, SIZE: size}}


def _clean(
    tensor: Mapping[str, object], name: str, chunk: memoryview, documents: Documents
) -> bytes:
    """Return the bytes of a tensor with its text redacted."""
    shape = tensor.get("shape")
    width = shape[1] if isinstance(shape, list) and len(shape) == 2 else 0
    if isinstance(width, int) and documents.fields.places(name, width):
        raise Withheld  # a part of the tensor is named
    if tensor.get("datatype") != BYTES:
        return bytes(chunk)
    written: list[bytes] = []
    for element in elements(chunk):
        try:
            clean = documents.text(str(element, "utf-8"), name).encode()
        except UnicodeDecodeError:
            clean = bytes(element)
        written += [len(clean).to_bytes(LENGTH_BYTES, "little"), clean]
    return b"".join(written)
