"""CPU time to decode both bodies of a request and update the profiles, in batches of 256."""

import statistics
import time
from collections.abc import Callable

import msgspec
import numpy as np

from nilometer.profiling.observation import pack
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels

BATCHES = 200
SIZE = 256
ROUNDS = 5
MOST_MICROSECONDS = 2.0
MINUTE_NS = 60 * 10**9

Bodies = tuple[bytes, bytes]


def flat(values: list[float]) -> Bodies:
    """Return a request with 10 named numbers, and a response with one."""
    request = msgspec.json.encode({f"feature_{at}": value for at, value in enumerate(values)})
    return request, msgspec.json.encode({"score": values[0]})


def tensors(values: list[float]) -> Bodies:
    """Return the same request and response in Open Inference Protocol V2."""
    one = {"name": "x", "shape": [1, 10], "datatype": "FP64", "data": values}
    out = {"name": "y", "shape": [1], "datatype": "FP64", "data": values[:1]}
    return msgspec.json.encode({"inputs": [one]}), msgspec.json.encode({"outputs": [out]})


def batches(bodies: Callable[[list[float]], Bodies], decimals: int) -> list[bytes]:
    rng = np.random.default_rng(4)
    packed = []
    for number in range(BATCHES):
        rows = np.round(rng.normal(size=(SIZE, 10)), decimals).tolist()
        observations = []
        for at, row in enumerate(rows):
            request, response = bodies(row)
            kind = "application/json"
            observations.append(
                (
                    *(1_700_000_000_000_000_000 + number * 10**8 + at, 0.012, 200, "ok", "POST"),
                    *("/predict", len(request), len(response), kind, "", kind, ""),
                    *(request, response, ""),
                )
            )
        packed.append(pack(observations))
    return packed


def microseconds(packed: list[bytes]) -> float:
    """Return the median CPU time per request, from the bytes of a batch to finished samples."""
    figures = []
    for _ in range(ROUNDS):
        profiling = Profiling("benched", Labels(), MINUTE_NS)
        start = time.process_time()
        for batch in packed:
            profiling.observe_packed(batch)
        for profile in profiling.take():
            profile.samples()
        figures.append((time.process_time() - start) / (BATCHES * SIZE) * 1e6)
    return statistics.median(figures)


def main() -> int:
    print(f"decode and profile 10 numbers in and 1 out, batches of {SIZE}: 11 features, 1 service")
    print(f"{'bodies':<34} {'us/request':>11}  goal")
    fine = True
    for name, bodies, decimals, judged in (
        ("flat JSON, 4 decimals", flat, 4, True),
        ("flat JSON, 17 digits", flat, 17, False),
        ("Open Inference V2, 17 digits", tensors, 17, False),
    ):
        packed = batches(bodies, decimals)
        found = microseconds(packed)
        met = found <= MOST_MICROSECONDS
        fine &= met or not judged
        goal = f"<= {MOST_MICROSECONDS:g}: {'met' if met else 'MISSED'}" if judged else "shown"
        print(f"{name:<34} {found:>11.2f}  {goal}")
    return 0 if fine else 1
