"""Replaces files in the cells of rows by their size and type: images, audio, documents.

``{"image": "iVBORw0KGgo..."}`` becomes the columns ``image.bytes`` and ``image.type``, like a file
in a form. A file is a byte string, base64 text that begins like a known format, or a data URL. The
content is not kept.

Source: RFC 4648; RFC 2397; the first bytes that the "file" program knows.
"""

import binascii
import re
from collections.abc import Mapping, Sequence

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
# Beginnings of base64 text of these formats.
_BEGINNINGS = (
    *("iVBORw0KGgo", "/9j/", "_9j_", "R0lGOD", "SUkqA", "TU0AK", "JVBERi0", "SUQz", "T2dnUw"),
    *("ZkxhQw", "GkXfo", "UklGR", "AAAA", "data:"),
)
_NAMES = ("b64", "b64_json", "base64")  # suffixes of names that declare base64
_FEWEST = 64  # fewest base64 characters of a file
_NO_FILES = frozenset({int, float, bool, list})  # types of the first cell of columns without files
WITH_FILES = frozenset({str, bytes})  # types of cells that may be files
_STANDARD = str.maketrans("-_", "+/")
_URL = re.compile(r"data:([\w/+.-]*)(?:;[\w=.-]+)*;base64,")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]+=?=?\s*")


def may_be_files(name: str, texts: Sequence[str]) -> bool:
    """Return whether a text in the column *name* may be a file; a cheap test."""
    if max(map(len, texts), default=0) < _FEWEST:
        return False  # the usual case
    return name.endswith(_NAMES) or any(text.startswith(_BEGINNINGS) for text in texts)


def has_files(row: Row) -> bool:
    """Return whether a cell of *row* may be a file."""
    for name, cell in row.items():
        kind = type(cell)
        if kind is str:
            if len(cell) >= _FEWEST and (  # type: ignore[arg-type]  # it is text
                cell.startswith(_BEGINNINGS) or name.endswith(_NAMES)  # type: ignore[attr-defined]
            ):
                return True
        elif kind is bytes:
            return True
    return False


def without_files(row: Row) -> Row:
    """Return *row* with each file replaced by its size and its type."""
    changed: dict[str, Cell] = {}
    for name, cell in row.items():
        found = file_of(cell, is_declared=name.endswith(_NAMES))
        if found is None or not row.keys().isdisjoint(_described(name)):
            changed[name] = cell
        else:
            changed |= zip(_described(name), found, strict=True)
    return changed


def columns_without_files(columns: Mapping[str, Column]) -> Mapping[str, Column]:
    """Return the *columns* of a block with files replaced by their sizes and types.

    The columns are returned unchanged if they contain no file.
    """
    files: dict[str, list[tuple[int, str] | None]] = {}
    for name, cells in columns.items():
        if isinstance(cells, np.ndarray) or not cells or type(cells[0]) in _NO_FILES:
            continue  # the usual case
        if WITH_FILES & set(map(type, cells)):
            found = [file_of(cell, is_declared=name.endswith(_NAMES)) for cell in cells]
            if any(found) and columns.keys().isdisjoint(_described(name)):
                files[name] = found
    if not files:
        return columns  # the usual case
    changed: dict[str, Column] = {}
    for name, cells in columns.items():
        if name not in files:
            changed[name] = cells
            continue
        found = files[name]
        if not all(found):  # the other cells are texts
            changed[name] = [None if one else cell for cell, one in zip(cells, found, strict=True)]
        sizes, kinds = _described(name)
        changed[sizes] = [one[0] if one else None for one in found]
        changed[kinds] = [one[1] if one else None for one in found]
    return changed


def _described(name: str) -> tuple[str, str]:
    """Return the names of the columns that describe the files of a column."""
    return f"{name}.{OF_FILE[0]}", f"{name}.{OF_FILE[1]}"


def file_of(cell: Cell, *, is_declared: bool = False) -> tuple[int, str] | None:
    """Return the size in bytes and the type of a file; None if *cell* is not a file.

    Args:
        cell: Cell of a row.
        is_declared: Whether the column's name declares base64 of any format.
    """
    if isinstance(cell, bytes):
        return len(cell), type_of(cell) or UNKNOWN
    if not isinstance(cell, str) or len(cell) < _FEWEST:
        return None
    if not (is_declared or cell.startswith(_BEGINNINGS)):
        return None
    url = _URL.match(cell)
    start = url.end() if url is not None else 0
    told = url.group(1) if url is not None else ""
    kind = (
        told
        or type_of(_decoded(cell[start : start + _HEAD]))
        or (UNKNOWN if is_declared or url is not None else "")
    )
    if not kind or _BASE64.fullmatch(cell, start) is None:
        return None
    digits = len(cell) - start - sum(cell.count(other, start) for other in " \r\n\t=")
    return digits * 3 // 4, kind


def _decoded(head: str) -> bytes:
    """Return the bytes at the start of base64 text; empty if it is not base64."""
    try:
        return binascii.a2b_base64(head.translate(_STANDARD)[: len(head) // 4 * 4])
    except ValueError:
        return b""


def type_of(content: bytes) -> str:
    """Return the content type that the first bytes of *content* identify; else empty."""
    if content.startswith(b"RIFF"):
        return _IN_RIFF.get(content[8:12], "")
    if content[4:8] == b"ftyp":
        return next(kind for brand, kind in _BRANDS if content[8:12].startswith(brand))
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), "")
