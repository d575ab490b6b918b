"""Finds the known name that is most similar to a mistyped name."""

from collections.abc import Iterable

SIMILARITY = 0.6  # smallest `difflib.SequenceMatcher.ratio` of a suggested name


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` with the most similar of *known*; empty if none is similar."""
    import difflib  # imported here, because it is only needed after a mistake

    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=SIMILARITY)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def not_one_of(key: str, value: object, allowed: Iterable[str]) -> str:
    """Return a sentence that says that *key* = *value* is not one of the *allowed* words."""
    words = list(allowed)
    hint = did_you_mean(str(value), words)
    return f"{key} = {value!r}: must be one of {', '.join(map(repr, words))}{hint}"
