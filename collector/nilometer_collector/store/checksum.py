"""Checksums of stored payloads, because a damaged disk may return wrong bytes without an error."""

import logging
import zlib

log = logging.getLogger("nilometer.collector")


def checksum(payload: bytes) -> int:
    """Return the CRC-32 of *payload*."""
    return zlib.crc32(payload)


def intact(table: str, row: int, payload: bytes, crc: int) -> bool:
    """Return whether *payload* matches its checksum; log an error if it does not."""
    fine = checksum(payload) == crc
    if not fine:
        log.error(
            "stored row left out: its checksum does not match", extra={"table": table, "row": row}
        )
    return fine
