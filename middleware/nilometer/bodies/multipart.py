"""Splits multipart/form-data into parts.

Source: RFC 7578.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nilometer.values.errors import Undecodable
from nilometer.values.reasons import UndecodableReason

MAX_PARTS = 1000  # parts of one body
MAX_FIELD_BYTES = 1024  # of a longer field, only the length is profiled
MAX_HEAD_BYTES = 8192  # size of the headers of one part
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([a-z-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: a field, or a file.

    Attributes:
        name: Name of the field, never empty.
        is_file: Whether the part has a file name.
        media: Content type without parameters, in lower case; empty if the part has none.
        content: Bytes of the part.
    """

    name: str
    is_file: bool
    media: str
    content: bytes


def delimiter_of(body: bytes, content_type: str) -> bytes:
    """Return the delimiter of the parts, including its two leading hyphens.

    Raises:
        Undecodable: If neither *content_type* nor *body* contains it.
    """
    told = _BOUNDARY.search(content_type)
    # A logger may have lost the boundary parameter, but the body starts with the delimiter.
    delimiter = (
        b"--" + told.group(1).strip().encode("latin-1", "replace")
        if told
        else body[:74].split(b"\r\n")[0]
    )
    if len(delimiter) < 3 or not delimiter.startswith(b"--"):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    return delimiter


def parts(body: bytes, content_type: str) -> Iterator[Part]:
    """Yield the parts of *body*.

    Raises:
        Undecodable: If a part has no name or the end is missing; ``too_large`` if there are more
            than `MAX_PARTS`.
    """
    delimiter = delimiter_of(body, content_type)
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter, MAX_PARTS + 2)
    if len(pieces) > MAX_PARTS + 2:
        raise Undecodable(UndecodableReason.TOO_LARGE.value)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise Undecodable(UndecodableReason.MALFORMED.value)
    for piece in pieces[1:-1]:
        head, found, content = piece.partition(b"\r\n\r\n")
        if not found or len(head) > MAX_HEAD_BYTES:
            raise Undecodable(UndecodableReason.MALFORMED.value)
        yield _part(head, content)


def _part(head: bytes, content: bytes) -> Part:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    parameters: dict[str, str] = {
        key.lower(): quoted or plain
        for key, quoted, plain in _PARAMETER.findall(headers.get("content-disposition", ""))
    }
    part_name = parameters.get("name")
    if not part_name:
        raise Undecodable(UndecodableReason.MALFORMED.value)
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_file = "filename" in parameters or "filename*" in parameters
    return Part(part_name, is_file, media, content)
