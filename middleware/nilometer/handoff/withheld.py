"""The error that keeps a body inside the process."""


class Withheld(Exception):
    """A named field may be in a place where redaction cannot find it."""
