"""Describes files in the cells of rows by their size and type: images, audio, documents.

``{"image": "iVBORw0KGgo..."}`` becomes the columns ``image.bytes`` and ``image.type``, as a part of
a form does. A file is bytes, base64 that begins like a known format, or a data URL. The content is
not kept.

Source: RFC 4648; RFC 2397; the first bytes that "file" knows.
"""

import binascii
import re
from collections.abc import Mapping

import numpy as np

from nilometer.bodies.computed import OF_FILE
from nilometer.decode.columns import Column, Row
from nilometer.profile.feature import Cell

UNKNOWN = "application/octet-stream"
_HEAD = 64  # characters of base64 that are decoded to recognise the format

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_IN_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = (
    (b"avif", "image/avif"),
    (b"hei", "image/heic"),
    (b"mif", "image/heic"),
    (b"M4A", "audio/mp4"),
    (b"", "video/mp4"),
)
# How base64 of these formats begins.
_BEGINNINGS = (
    *(
        "iVBORw0KGgo",
        "/9j/",
        "_9j_",
        "R0lGODdh",
        "R0lGODlh",
        "SUkqA",
        "TU0AK",
        "JVBERi0",
        "SUQz",
        "//v",
        "__v",
    ),
    *("T2dnUw", "ZkxhQw", "GkXfo", "UklGR", "AAAA", "data:"),
)
_NAMES = ("b64", "b64_json", "base64")  # ends of names that say that a text is base64
_FEWEST = 16  # characters of the shortest file
_STANDARD = str.maketrans("-_", "+/")
_URL = re.compile(r"data:([\w/+.-]*)(?:;[\w=.-]+)*;base64,")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+=?=?\s*")


def _begins(cell: Cell) -> bool:
    """Return whether *cell* may be a file; a cheap test, which `file_of` makes certain."""
    return type(cell) is bytes or (type(cell) is str and cell.startswith(_BEGINNINGS))


def may_be_files(name: str, cells: Column) -> bool:
    """Return whether a cell of the column *name* may be a file."""
    return name.endswith(_NAMES) or any(map(_begins, cells))


def has_files(row: Row) -> bool:
    """Return whether a cell of *row* may be a file."""
    for name, cell in row.items():
        if _begins(cell) or (name.endswith(_NAMES) and type(cell) is str):
            return True
    return False


def without_files(row: Row) -> Row:
    """Return *row* with the size and the type of each file in place of it."""
    changed: dict[str, Cell] = {}
    for name, cell in row.items():
        found = file_of(cell, is_declared=name.endswith(_NAMES))
        columns = (f"{name}.{OF_FILE[0]}", f"{name}.{OF_FILE[1]}")
        if found is None or not row.keys().isdisjoint(columns):
            changed[name] = cell
        else:
            changed |= zip(columns, found, strict=True)
    return changed


def columns_without_files(columns: Mapping[str, Column]) -> Mapping[str, Column]:
    """Return the *columns* of a block with sizes and types in place of those that hold files."""
    changed: dict[str, Column] = {}
    for name, cells in columns.items():
        found = [
            file_of(cell, is_declared=name.endswith(_NAMES))
            for cell in (() if isinstance(cells, np.ndarray) else cells)
        ]
        sizes, kinds = (f"{name}.{one}" for one in OF_FILE)
        if not any(found) or not columns.keys().isdisjoint((sizes, kinds)):
            changed[name] = cells
            continue
        if not all(found):  # others are texts
            changed[name] = [None if one else cell for cell, one in zip(cells, found, strict=True)]
        changed[sizes] = [one[0] if one else None for one in found]
        changed[kinds] = [one[1] if one else None for one in found]
    return changed


def file_of(cell: Cell, *, is_declared: bool = False) -> tuple[int, str] | None:
    """Return the size in bytes and the type of a file; None if *cell* is none.

    Args:
        cell: Cell of a row.
        is_declared: Whether its name says that it is base64, of whatever format.
    """
    if isinstance(cell, bytes):
        return len(cell), type_of(cell) or UNKNOWN
    if not isinstance(cell, str) or not (is_declared or cell.startswith(_BEGINNINGS)):
        return None
    url = _URL.match(cell)
    start = url.end() if url is not None else 0
    told = url.group(1) if url is not None else ""
    kind = (
        told
        or type_of(_decoded(cell[start : start + _HEAD]))
        or (UNKNOWN if is_declared or url is not None else "")
    )
    if not kind or len(cell) - start < _FEWEST or _BASE64.fullmatch(cell, start) is None:
        return None
    digits = len(cell) - start - sum(cell.count(other, start) for other in " \r\n\t=")
    return digits * 3 // 4, kind


def _decoded(head: str) -> bytes:
    """Return the bytes at the start of base64; none if it is not base64."""
    try:
        return binascii.a2b_base64(head.translate(_STANDARD)[: len(head) // 4 * 4])
    except ValueError:
        return b""


def type_of(content: bytes) -> str:
    """Return the content type that the first bytes of *content* tell; empty if they tell none."""
    if content.startswith(b"RIFF"):
        return _IN_RIFF.get(content[8:12], "")
    if content[4:8] == b"ftyp":
        return next(kind for brand, kind in _BRANDS if content[8:12].startswith(brand))
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), "")
