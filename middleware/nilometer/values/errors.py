"""Errors that nilometer raises on purpose.

    NilometerError
    ├── ConfigError            caught at start-up, before any request is served
    ├── IncompatibleSketches   two sketches cannot be merged
    ├── Undecodable            bytes that no decoder takes; carries a reason of a closed set
    └── ShipError
        ├── CollectorUnavailable   transient: keep the rows and try again
        └── BatchRejected          permanent: the same rows will fail again

A bug raises one of Python's own exceptions. None of these errors reaches the host application.
"""


class NilometerError(Exception):
    """Any error that nilometer raises on purpose."""


class ConfigError(NilometerError):
    """A setting is wrong; the message gives the key, the value and the allowed values."""


class IncompatibleSketches(NilometerError):
    """Two sketches were built with different parameters and cannot be merged."""

    def __init__(self, parameter: str, ours: object, theirs: object) -> None:
        super().__init__(f"cannot merge sketches with {parameter} {ours} and {theirs}")
        self.parameter, self.ours, self.theirs = parameter, ours, theirs


class Undecodable(NilometerError):
    """A captured body could not be turned into columns."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"body is undecodable: {reason}")
        self.reason = reason


class ShipError(NilometerError):
    """Rows could not be shipped to the collector."""


class CollectorUnavailable(ShipError):
    """A transient error: keep the rows and try again."""


class BatchRejected(ShipError):
    """A permanent error: the same rows will fail again."""
