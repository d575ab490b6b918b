"""Run the benchmarks: all of them, or those named."""

import argparse
import sys

from benchmarks import cost_per_request, import_cost

BENCHMARKS = {"import": import_cost.main, "request": cost_per_request.main}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    names = parser.parse_args().names or list(BENCHMARKS)
    return max(BENCHMARKS[name]() for name in names)


if __name__ == "__main__":
    sys.exit(main())
