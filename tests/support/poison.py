"""A decoder that ends its process in the way that a body requests; for the setting ``profilers``.

The body ``{"way": "abort"}`` aborts, and so on. ``loop`` and ``stop`` need a test that kills the
process: they write its id into the file that ``NILOMETER_TEST_NOTES`` names. ``stop`` stops the
process at exactly this place. Each time it removes a line with a dash from the file; without such a
line it does nothing.
"""

import ctypes
import json
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nilometer.decode import decoder
from nilometer.profile import SummarySample
from nilometer.wire.samples import merged_sample_from_bytes, sample_from_bytes

CONTENT_TYPE = "application/x-poison"
NOTES = "NILOMETER_TEST_NOTES"
GROWS_BYTES = 400 << 20
ENDING_ENTITY = "ends-the-agent"  # its deltas end the process when `read_sample` reads them
ENDING_WINDOWS = "ends-at-closing"  # its windows end the process when `merge_samples` merges them


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _grow() -> None:
    """Use memory until the limit, then end, so that the kernel kills no other process."""
    held = [bytearray(b"x" * (16 << 20)) for _ in range(GROWS_BYTES >> 24)]
    assert held
    _kill()


def _loop() -> None:
    with Path(os.environ[NOTES]).open("a", encoding="ascii") as notes:
        notes.write(f"{os.getpid()}\n")
    while True:
        pass


def _stop() -> None:
    path = Path(os.environ[NOTES])
    stops = path.read_text("ascii").split()
    if "-" not in stops:
        return
    stops[stops.index("-")] = str(os.getpid())
    path.write_text("\n".join(stops), "ascii")
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread, here and now


WAYS: Mapping[str, Callable[[], object]] = {
    "abort": os.abort,
    "fault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "kill": _kill,
    "grow": _grow,
    "loop": _loop,
    "stop": _stop,
}


def read_sample(content: bytes) -> SummarySample:
    """Like `sample_from_bytes`, but end the process for samples of one entity."""
    sample = sample_from_bytes(content)
    if sample.entity == ENDING_ENTITY:
        os.abort()
    return sample


def merge_samples(packed: Sequence[bytes], *more: Any) -> SummarySample:
    """Like `merged_sample_from_bytes`, but end the process for one feature of one entity."""
    first = sample_from_bytes(packed[0])
    if (first.entity, first.summary) == (ENDING_WINDOWS, "input.amount"):
        os.abort()
    return merged_sample_from_bytes(packed, *more)


@decoder(CONTENT_TYPE)
def columns(body: bytes, content_type: str) -> Mapping[str, object]:
    told = json.loads(body)
    if "way" in told:
        WAYS[told["way"]]()
    return {"amount": told["amount"]}
