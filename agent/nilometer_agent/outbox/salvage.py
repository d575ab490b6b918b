"""Reads the rows of a damaged SQLite file directly from its pages.

The schema, the trees and the free list are not trusted. Every page that looks like a leaf of a table
is parsed. A row is valid if its checksum is right, which covers the name of its table, its id and all
its columns. The write-ahead log is read as far as its own checksums are valid, as SQLite does.
Deleted rows are overwritten (``secure_delete``), so every row that is found was really stored.

Source: https://www.sqlite.org/fileformat2.html, sections 1.5, 1.6, 2.1 and 4.
"""

import itertools
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from nilometer_agent.outbox.checksum import intact
from nilometer_agent.outbox.database import PAGE_BYTES
from nilometer_agent.outbox.rows import Row
from nilometer_agent.outbox.schema import TABLES

HEADER_BYTES = 100  # length of the file's header, which precedes the content of the first page
LEAF = b"\x0d"  # type of a page that is a leaf of a table
WAL_MAGIC = (0x377F0682, 0x377F0683)  # the last bit says whether the log's checksums are big-endian
WAL_HEADER = struct.Struct(">8I")
FRAME_HEADER = struct.Struct(">6I")
MAX_LOG_BYTES = 64 << 20
MAX_PAYLOAD_BYTES = 64 << 20  # longest row; a longer one is damaged
FIXED_BYTES = (0, 1, 2, 3, 4, 6, 8)  # content length of serial types 0 to 6


def salvage(database: Path) -> Iterator[Row]:
    """Yield (table, (id, columns)) of every sound row in *database* and its log, each once.

    Rows are ordered by table and id, because rows must be shipped oldest first: each shipment tells
    the collector that no older rows will follow.
    """
    with _Pages(database) as pages:
        places = _places_of(pages)
        for table in sorted(places):
            for _, place in sorted(places[table].items()):
                # Rows are read again, because an outbox may be larger than the agent's memory.
                found = _row_at(*divmod(place, PAGE_BYTES), pages)
                if found is not None:
                    yield found


def _places_of(pages: "_Pages") -> dict[str, dict[int, int]]:
    """Return page and cell of every sound row, as one number, by table and id."""
    places: dict[str, dict[int, int]] = {table: {} for table in TABLES}
    for number in pages:
        for index, (table, row) in _rows_of(number, pages):
            places[table].setdefault(row[0], number * PAGE_BYTES + index)
    return places


class _Pages(Mapping[int, bytes]):
    """The newest content of every page of a database, by number from 1, read on demand.

    Raises:
        KeyError: If a page does not exist.
    """

    def __init__(self, database: Path) -> None:
        self._logged = _logged(_read(database.with_name(database.name + "-wal")))
        self._file = -1
        self._count = 0
        with suppress(OSError):
            self._file = os.open(database, os.O_RDONLY | os.O_CLOEXEC)
            self._count = -(-os.fstat(self._file).st_size // PAGE_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)

    def __getitem__(self, number: int) -> bytes:
        if number in self._logged:
            return self._logged[number]
        if not 1 <= number <= self._count:
            raise KeyError(number)
        try:
            content = os.pread(self._file, PAGE_BYTES, (number - 1) * PAGE_BYTES)
        except OSError as error:  # a sector that cannot be read
            raise KeyError(number) from error
        return content.ljust(PAGE_BYTES, b"\0")

    def __iter__(self) -> Iterator[int]:
        logged = sorted(number for number in self._logged if number > self._count)
        return itertools.chain(range(1, self._count + 1), logged)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _read(log: Path) -> bytes:
    """Return the content of a log, up to the largest log of an outbox."""
    try:
        with log.open("rb") as file:
            return file.read(MAX_LOG_BYTES)
    except OSError:
        return b""


def _logged(log: bytes) -> dict[int, bytes]:
    """Return the pages of the log up to its last complete transaction."""
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    if len(log) < WAL_HEADER.size:
        return committed
    magic, _, size, _, *salts, first, second = WAL_HEADER.unpack_from(log)
    if magic not in WAL_MAGIC or size != PAGE_BYTES:
        return committed
    order = "<" if magic == WAL_MAGIC[0] else ">"
    sums = _summed(order, log[:24], (0, 0))
    if sums != (first, second):
        return committed
    frame = FRAME_HEADER.size + PAGE_BYTES
    for start in range(WAL_HEADER.size, len(log) - frame + 1, frame):
        number, pages_after, *rest = FRAME_HEADER.unpack_from(log, start)
        content = log[start + FRAME_HEADER.size : start + frame]
        sums = _summed(order, log[start : start + 8] + content, sums)
        if rest[:2] != salts or sums != tuple(rest[2:]):
            break
        pending[number] = content
        if pages_after:
            committed.update(pending)
            pending = {}
    return committed


def _summed(order: str, content: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    """Continue the running checksum of the log."""
    one, two = sums
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two


def _rows_of(number: int, pages: Mapping[int, bytes]) -> Iterator[tuple[int, Row]]:
    """Yield the sound rows of a page, each with the number of its cell."""
    start = _content_of(number)
    page = pages.get(number, b"")
    if page[start : start + 1] != LEAF:
        return
    cells = int.from_bytes(page[start + 3 : start + 5], "big")
    for index in range(min(cells, (PAGE_BYTES - start - 8) // 2)):
        row = _row_at(number, index, pages)
        if row is not None:
            yield index, row


def _row_at(number: int, index: int, pages: Mapping[int, bytes]) -> Row | None:
    """Return the row of a cell; None if there is no row or it is damaged."""
    at = _content_of(number) + 8 + 2 * index
    try:
        page = pages[number]
        identity, columns = _cell(page, int.from_bytes(page[at : at + 2], "big"), pages)
    except (IndexError, ValueError, KeyError, struct.error):
        return None
    # The record has an empty column for the id; the checksum is the next column.
    for table, names in TABLES.items():
        if len(columns) != len(names) + 2:
            continue
        crc, *values = columns[1:]
        if intact(table, identity, crc, values):
            return table, (identity, *values)
    return None


def _content_of(number: int) -> int:
    """Return the start of a page's content; the first page begins with the file's header."""
    return HEADER_BYTES if number == 1 else 0


def _cell(page: bytes, at: int, pages: Mapping[int, bytes]) -> tuple[int, list[Any]]:
    """Return row id and columns of the cell that starts at *at*."""
    size, at = _varint(page, at)
    identity, at = _varint(page, at)
    if not 0 < size <= MAX_PAYLOAD_BYTES:
        raise ValueError(size)
    most = PAGE_BYTES - 35  # "U - 35" in the file format; longer payloads use overflow pages
    if size <= most:
        record = page[at : at + size]
    else:
        least = (PAGE_BYTES - 12) * 32 // 255 - 23
        here = least + (size - least) % (PAGE_BYTES - 4)
        here = here if here <= most else least
        record = page[at : at + here] + _overflow(page, at + here, size - here, pages)
    if len(record) != size:
        raise ValueError(size)
    return identity, _columns(record)


def _overflow(page: bytes, at: int, left: int, pages: Mapping[int, bytes]) -> bytes:
    parts = []
    following = int.from_bytes(page[at : at + 4], "big")
    while left > 0:
        content = pages[following]
        parts.append(content[4 : 4 + left])
        left -= PAGE_BYTES - 4
        following = int.from_bytes(content[:4], "big")
    return b"".join(parts)


def _columns(record: bytes) -> list[Any]:
    head, at = _varint(record, 0)
    types = []
    while at < head:
        serial, at = _varint(record, at)
        types.append(serial)
    values: list[Any] = []
    for serial in types:
        value, at = _value(record, at, serial)
        values.append(value)
    if at != len(record):
        raise ValueError(at)
    return values


def _value(record: bytes, at: int, serial: int) -> tuple[Any, int]:
    """Return a column and the start of the next one."""
    if serial >= 12:
        end = at + (serial - 12) // 2
        if end > len(record):
            raise ValueError(end)
        content = record[at:end]
        return (content.decode() if serial % 2 else content), end
    if serial in (8, 9):
        return serial - 8, at
    if serial == 7:
        return struct.unpack_from(">d", record, at)[0], at + 8
    end = at + FIXED_BYTES[serial]
    return (int.from_bytes(record[at:end], "big", signed=True) if serial else None), end


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = content[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    value = value << 8 | content[at + 8]
    return value - (1 << 64) if value >> 63 else value, at + 9
