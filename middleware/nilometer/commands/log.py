"""`nilometer log`: store one sample of a summary that a job measures itself."""

import argparse
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nilometer.commands.collector_options import add_collector_options, client_of
from nilometer.values.errors import ConfigError

MAX_BYTES = 4 << 20  # size of a file; the collector accepts less
SOURCE_BYTES = 16


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer log`."""
    parser = subparsers.add_parser(
        "log",
        help="store one measurement of your own",
        description="Store one sample of a summary that a job measures itself. The sample is a "
        "JSON object with entity, summary, start, seconds and content (docs/logging.md). The same "
        "file is stored once, however often it is logged. Reads the file or standard input, and "
        "sends it to the collector.",
    )
    parser.add_argument(
        "file", metavar="FILE", help="file with one JSON object; - reads standard input"
    )
    add_collector_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Store the sample, and print whether it is new."""
    packed = _read(arguments.file)
    row = _row(arguments.file, packed)
    # The digest of the bytes names the call, so that a repeated call stores nothing.
    source = hashlib.blake2b(packed, digest_size=SOURCE_BYTES).hexdigest()
    with client_of(arguments) as client:
        logged = client.log([row], source=source)
    outcome = "stored" if logged.stored else "was stored before"
    print(f"{row.get('entity')}: {row.get('summary')} {outcome}")
    return 0


def _read(file: str) -> bytes:
    """Return the bytes of *file*, or of standard input.

    Raises:
        ConfigError: If the file cannot be read or is too large.
    """
    try:
        if file == "-":
            packed = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                packed = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if len(packed) > MAX_BYTES:
        raise ConfigError(f"{file}: is over {MAX_BYTES} bytes")
    return packed


def _row(file: str, packed: bytes) -> Mapping[str, Any]:
    """Return the JSON object in *packed*.

    Raises:
        ConfigError: If it is not one JSON object.
    """
    import msgspec

    try:
        return msgspec.json.decode(packed, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: must be one JSON object: {error}") from error
