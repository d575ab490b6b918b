"""A function under `nilometer.observe` whose packed observations a test can read, without a thread."""

from collections.abc import Callable
from typing import Any

from nilometer.capture.observe import Recorder, observe


class Observed:
    """An observed function.

    Args:
        function: Function to observe.
        in_python: Whether Python serves all calls, even with `nilometer-speedups`.
        inputs: Names of the parameters that are inputs; None for all.
        **settings: Settings of the recorder.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        in_python: bool = False,
        inputs: tuple[str, ...] | None = None,
        **settings: Any,
    ) -> None:
        Recorder._of.clear()  # each has a worker of its own
        speedups = "off" if in_python else "auto"
        settings = {"entity": "tested", "speedups": speedups, **settings}
        self.call = observe(inputs=inputs, **settings)(function)
        (recorder,) = Recorder._of.values()
        self.worker = recorder.worker
        self.worker.ensure_started = lambda: None  # type: ignore[method-assign]
        self.worker.live = True

    def packed(self) -> list[bytes]:
        """Return the observations since the last call."""
        return self.worker.sink.take(1 << 20, 1 << 40)
