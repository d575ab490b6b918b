"""Memory that a function needs, counted by the interpreter, so that it does not depend on the machine."""

import tracemalloc
from collections.abc import Callable


def peak(run: Callable[[], object]) -> int:
    """Return the most bytes that *run* holds at once."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
