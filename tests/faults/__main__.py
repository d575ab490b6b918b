"""`make faults`: the long forms, with their seeds in a table. Each may be run by name."""

import argparse
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from faults import (
    test_damage,
    test_errno,
    test_outage,
    test_power,
    test_soak,
    test_storm,
)
from faults.zygote import Zygote

Form = Callable[[Zygote, Path, int, float], str]


def kills(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    count = int(5000 * scale)
    return test_storm.storm(zygote, directory, seed=seed, seconds=0.0, faults=0, kills=count)


def chaos(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    seconds, count = 3600 * scale, int(3000 * scale)
    return test_storm.storm(zygote, directory, seed=seed, seconds=seconds, faults=count, kills=0)


def power(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_power.power_loss(zygote, directory, seed=seed, points=int(1000 * scale))


def errno(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_errno.refusals(zygote, directory, seed=seed, runs=int(2000 * scale))


def damage(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_damage.mutations(directory / "m", seed=seed, count=int(1000 * scale))


def away(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    del scale
    return test_outage.away(directory, seed=seed, hours=test_outage.HOURS)


def restart(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    del seed, scale
    return test_outage.restart(zygote, directory, rows=100_000)


def herd(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    del directory
    runs = max(int(200 * scale), 5)
    found = [
        test_outage.herd(seed=seed + n, agents=1000, outage_seconds=600.0) for n in range(runs)
    ]
    ratios = sorted(peak / mean for peak, mean in found)
    # The busiest of a minute's seconds is a chance of its own: one run in a hundred is over.
    assert ratios[int(0.95 * len(ratios))] <= 2.0, ratios
    return f"{runs} outages of 1000 agents: peak {ratios[-1]:.2f} x mean at most, 95 % under 2"


def soak(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    del seed
    return test_soak.soak(zygote, directory, observations=int(10_000_000 * scale))


FORMS: dict[str, Form] = {
    form.__name__: form for form in (power, errno, damage, away, restart, herd, soak, kills, chaos)
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*FORMS, []], help="default: all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--scale", type=float, default=1.0, help="of the long form, such as 0.1")
    told = parser.parse_args()
    failed = 0
    lines = []
    for name in told.names or list(FORMS):
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="nf") as made:
            directory = Path(made)
            try:
                with Zygote(directory / "z") as zygote:
                    (directory / "d").mkdir()
                    found = FORMS[name](zygote, directory / "d", told.seed, told.scale)
                    result = "holds"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                skipped = type(error).__name__ == "Skipped"
                result, found = ("skipped", str(error)) if skipped else ("FAILED", repr(error))
                failed += not skipped
                if not skipped:
                    traceback.print_exc()
        lines.append((name, str(told.seed), result, f"{time.monotonic() - started:.0f} s", found))
        print(*lines[-1], sep="  ", flush=True)
    print("\n| form | seed | result | time | what was seen |\n|---|---|---|---|---|")
    for line in lines:
        print("|", " | ".join(line), "|")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
