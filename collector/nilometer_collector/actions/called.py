"""Runs the function of a Python target in a process of its own: ``python -m`` this module.

The name of the function is the argument. The order is JSON on standard input. The exit code is 0 if the
function returned, `NO_FUNCTION` if it does not exist, and 1 if it raised an exception, whose class is
then the last line of standard output.
"""

import importlib
import json
import resource
import sys
import traceback

NO_FUNCTION = 3
MOST_BYTES = 2 << 30  # address space; a soft limit, which a job of the function may raise


def main(entry_point: str) -> int:
    """Call the function with the order of standard input; return the exit code."""
    module, _, name = entry_point.partition(":")
    order = json.load(sys.stdin)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MOST_BYTES if hard == resource.RLIM_INFINITY else min(MOST_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        traceback.print_exc()
        return NO_FUNCTION
    try:
        function(order)
    except Exception as error:
        traceback.print_exc()
        sys.stdout.write(f"\n{type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
