"""Errors the collector raises on purpose.

NilometerError
├── StoreUnavailable   transient: nothing of the transaction was kept; try again
├── Refused            permanent: what was sent is not allowed; says why
├── Unknown            what was asked for is not here
└── TooMuch            the answer would be larger than is served; ask for less
"""

from nilometer.values.errors import NilometerError


class StoreUnavailable(NilometerError):
    """The database could not be read or written; the transaction left nothing behind."""


class Refused(NilometerError):
    """A row, a reference or an alerter is not allowed. A retry will fail again."""


class Unknown(NilometerError):
    """Nothing of that name is stored."""


class TooMuch(NilometerError):
    """The answer would exceed a bound that the message names."""
