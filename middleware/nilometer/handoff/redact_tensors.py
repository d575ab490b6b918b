"""Redacts bodies of the Open Inference Protocol with binary tensors after the JSON.

Source: Triton, "Binary Tensor Data Extension".
"""

import json

from nilometer.bodies.json_text import parsed
from nilometer.handoff.redact_json import Documents, Withheld

_KEYS = ("inputs", "outputs")
_SIZE = "binary_data_size"
_BYTES = "BYTES"
_scan = json.JSONDecoder().raw_decode


def with_tensors(body: bytes, documents: Documents) -> bytes:
    """Return *body* without the named tensors, neither their JSON nor their bytes.

    Raises:
        ValueError: If *body* is not such a message.
        Withheld: If a named field may be left.
    """
    try:
        # Latin-1 decodes any bytes after the JSON, one character per byte.
        _, end = _scan(body.decode("latin-1"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    parsed_head, raw = parsed(body[:end]), memoryview(body)[end:]
    message = parsed_head if isinstance(parsed_head, dict) else {}
    kept_bytes: list[bytes] = []
    at = 0
    for key in _KEYS:
        tensors = message.get(key)
        if not isinstance(tensors, list):
            continue
        kept: list[object] = []
        for tensor in tensors:
            size = _size_of(tensor)
            if size is None:
                kept.append(tensor)
                continue
            if size > len(raw) - at:
                raise ValueError("tensors are longer than the body")
            chunk = raw[at : at + size]
            at += size
            if not documents.fields.key(str(tensor["name"]), str(tensor["name"])):
                clean = _clean(tensor, chunk, documents)
                kept_bytes.append(clean)
                parameters = {**tensor["parameters"], _SIZE: len(clean)}
                kept.append({**tensor, "parameters": parameters})
        message[key] = kept
    if not at:
        raise ValueError("no binary tensor")
    return documents.encoded(message) + b"".join(kept_bytes)


def _size_of(tensor: object) -> int | None:
    """Return the number of bytes of a binary tensor; None if its data is in the JSON."""
    if not isinstance(tensor, dict) or "name" not in tensor:
        return None
    parameters = tensor.get("parameters")
    size = parameters.get(_SIZE) if isinstance(parameters, dict) else None
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise ValueError("no size")
    return size


def _clean(tensor: dict[str, object], chunk: memoryview, documents: Documents) -> bytes:
    """Return the bytes of a tensor; text in it is redacted."""
    name, shape = str(tensor["name"]), tensor.get("shape")
    width = shape[1] if isinstance(shape, list) and len(shape) == 2 else 0
    if isinstance(width, int) and documents.fields.places(name, width):
        raise Withheld  # a part of the tensor is named
    if tensor.get("datatype") != _BYTES:
        return bytes(chunk)
    elements: list[bytes] = []
    at = 0
    while at < len(chunk):
        start = at + 4
        at = start + int.from_bytes(chunk[at:start], "little")
        if start > len(chunk) or at > len(chunk):
            raise ValueError("elements are longer than the tensor")
        try:
            text = str(chunk[start:at], "utf-8")
        except UnicodeDecodeError:
            clean = bytes(chunk[start:at])
        else:
            clean = documents.text(text, name).encode()
        elements += [len(clean).to_bytes(4, "little"), clean]
    return b"".join(elements)
