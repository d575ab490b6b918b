"""Sends some minutes of readings to the sensor; in the last two minutes, its firmware is new."""

import random
import sys
import time
from datetime import UTC, datetime

import httpx

MINUTES = 5
BROKEN = 2  # minutes with the new firmware
READINGS = 20  # a minute


def replay(url: str, end: float) -> int:
    """Send the readings of the minutes before *end*, Unix seconds, to *url*; return their number."""
    draw = random.Random(1)
    first = end // 60 * 60 - MINUTES * 60
    with httpx.Client(timeout=30, trust_env=False) as client:
        for number in range(MINUTES * READINGS):
            minute, at = divmod(number, READINGS)
            event_time = datetime.fromtimestamp(first + minute * 60 + at, UTC).isoformat()
            firmware = "2" if minute >= MINUTES - BROKEN else "1"
            client.post(
                url,
                json={"millivolts": draw.gauss(210, 20)},
                headers={"x-event-time": event_time, "x-firmware": firmware},
            ).raise_for_status()
    return MINUTES * READINGS


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8001/predict"
    print(replay(address, time.time_ns() / 1e9), "readings sent")
