"""A process that profiles in itself, fed with products: prints how far its memory grew, in bytes.

Run as ``python -m faults.host SOCKET SEED CASE...``.
"""

import os
import random
import re
import sys
import time
from itertools import islice
from pathlib import Path

import msgspec
from faults.products import CASES

from nilometer.handoff.link import AgentLink
from nilometer.handoff.profile_outlet import ProfileOutlet
from nilometer.handoff.settings import CaptureSettings

AT_ONCE = 64  # observations that a worker drains
MOST_BATCHES = 12  # of each case: the process shares its processor with the agent


def peak_bytes() -> int:
    """Most resident memory of this process until now."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found.group(1)) << 10


def main() -> None:
    """Feed the cases; the process has imported everything and profiled one body before."""
    socket, seed, *names = sys.argv[1:]
    settings = CaptureSettings(
        entity="host",
        agent=f"unix:{socket}",
        profile_in="process",
        segments={"s": "input.s"},
    )
    outlet = ProfileOutlet(settings, AgentLink(settings, os.urandom(16)))
    first = next(CASES["declared shapes"](random.Random(1))).observations
    outlet.send_batch([msgspec.msgpack.encode(one) for one in first], {})
    outlet.poll()
    before = peak_bytes()
    for name in names:
        for sent in islice(CASES[name](random.Random(int(seed))), MOST_BATCHES):
            packed = [msgspec.msgpack.encode(one) for one in sent.observations[:256]]
            for start in range(0, len(packed), AT_ONCE):
                while not outlet.has_room():
                    outlet.poll()
                    time.sleep(0.001)
                outlet.send_batch(packed[start : start + AT_ONCE], {})
                outlet.poll()
    assert outlet.finish(time.monotonic() + 60.0) == 0
    print(peak_bytes() - before)


if __name__ == "__main__":
    main()
