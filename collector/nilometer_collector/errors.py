"""Errors the collector raises on purpose.

NilometerError
├── StoreUnavailable   transient: the transaction stored nothing; try again
├── Refused            permanent: what was sent is not allowed; says why
├── Moved              what was read has changed since; read it again and retry
├── Unknown            what was asked for is not here
├── Busy               transient: others ask or change the same; try again
└── TooMuch            the answer would be larger than is served; ask for less
"""

from nilometer.values.errors import NilometerError


class StoreUnavailable(NilometerError):
    """The database could not be read or written. The transaction has changed nothing."""


class Outdated(StoreUnavailable):
    """A newer collector has changed the database, and does work that this one leaves to it."""


class Refused(NilometerError):
    """A row, a reference or an alerter is not allowed. A retry will fail again."""


class Conflict(NilometerError):
    """A change contradicts what is stored, such as a newer version or a closed episode.

    The same change will fail again.

    Args:
        reason: Sentence that names the contradiction.
        field: Field of the change that contradicts it; empty for the change as a whole.
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.field = field


class Moved(NilometerError):
    """A declared object changed after it was read. A retry on what is stored now can help."""


class Unknown(NilometerError):
    """The store has nothing with the requested name."""


class Busy(NilometerError):
    """Others ask the same kind of question, or change the same objects. A retry helps.

    Args:
        reason: Sentence that says what is busy.
        seconds: Time after which a retry may help, >= 1.
    """

    def __init__(self, reason: str, seconds: int = 30) -> None:
        super().__init__(reason)
        self.seconds = seconds


class TooMuch(NilometerError):
    """The response would exceed a bound, which the message names.

    Args:
        reason: Sentence that names the bound and what to ask for instead.
        field: Parameter of the request that makes the response so large.
    """

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(reason)
        self.field = field
