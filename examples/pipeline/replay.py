"""Sends some minutes of readings to the sensor; in the last ones, its firmware is new."""

import random
import sys
import time
from datetime import UTC, datetime

import httpx

READINGS = 20  # a window


def replay(
    url: str, end: float, *, windows: int = 5, broken: int = 2, window_seconds: int = 60
) -> int:
    """Send readings to the sensor at *url*, and return their number.

    Args:
        url: URL of the sensor.
        end: Unix seconds before which the last window ends.
        windows: Number of windows.
        broken: Number of the last windows in which the firmware is new.
        window_seconds: Length of a window, in seconds.
    """
    draw = random.Random(1)
    first = end // window_seconds * window_seconds - windows * window_seconds
    with httpx.Client(timeout=30, trust_env=False) as client:
        for number in range(windows * READINGS):
            window, reading = divmod(number, READINGS)
            at = first + (window + reading / READINGS) * window_seconds
            client.post(
                url,
                json={"millivolts": draw.gauss(210, 20)},
                headers={
                    "x-event-time": datetime.fromtimestamp(at, UTC).isoformat(),
                    "x-firmware": "2" if window >= windows - broken else "1",
                },
            ).raise_for_status()
    return windows * READINGS


if __name__ == "__main__":
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8001/predict"
    print(replay(address, time.time_ns() / 1e9), "readings sent")
