"""The decision that a body does not leave the process."""


class Withheld(Exception):
    """A named field may be in a place where redaction does not find it."""
