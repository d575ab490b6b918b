"""CPU time of importing the capture path, in addition to Starlette and to a bare interpreter."""

import statistics
import subprocess
import sys

ROUNDS = 9
MOST_MILLISECONDS = 150.0
CODE = (
    "import time; {before}; t = time.process_time(); {module}; "
    "print((time.process_time() - t) * 1000)"
)


def milliseconds(before: str, module: str) -> float:
    figures = []
    for _ in range(ROUNDS):
        code = CODE.format(before=before, module=module)
        finished = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        figures.append(float(finished.stdout))
    return statistics.median(figures)


def main() -> int:
    capture = "from nilometer import NilometerMiddleware"
    alone = milliseconds("pass", capture)
    over = milliseconds("import starlette.applications", capture)
    starlette = milliseconds("pass", "import starlette.applications")
    print(f"import of the capture path: {alone:.0f} ms CPU (at most {MOST_MILLISECONDS:.0f})")
    print(f"  over starlette: {over:.0f} ms; starlette itself: {starlette:.0f} ms")
    return 0 if alone <= MOST_MILLISECONDS else 1
