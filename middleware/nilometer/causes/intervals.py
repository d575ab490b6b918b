"""Runs of neighbouring bins in words, from the names of their bins."""


def interval(first: str, last: str) -> str:
    """Return the values from the bin *first* to the bin *last* in words.

    >>> interval("[1, 2)", "exactly 5"), interval("exactly 0", "exactly 0"), interval("(0, 3)", "9 and above")
    ('in [1, 5]', 'exactly 0', 'above 0')
    """
    if first == last == "all":
        return "numbers"
    if first == last and first.startswith("exactly "):
        return first
    low, high = _left(first), _right(last)
    if low and high:
        return f"in {low}, {high}"
    if low:
        return f"above {low[1:]}" if low[0] == "(" else f"{low[1:]} or more"
    if high:
        return f"below {high[:-1]}" if high[-1] == ")" else f"{high[:-1]} or less"
    return "numbers"


def _left(name: str) -> str:
    """Return the lower end of a bin with its bracket; empty without one."""
    if name.startswith("exactly "):
        return f"[{name.removeprefix('exactly ')}"
    if name.startswith("above "):
        return f"({name.removeprefix('above ')}"
    if name.endswith(" and above"):
        return f"[{name.removesuffix(' and above')}"
    return "" if name.startswith("below ") else name.partition(",")[0]


def _right(name: str) -> str:
    """Return the upper end of a bin with its bracket; empty without one."""
    if name.startswith("exactly "):
        return f"{name.removeprefix('exactly ')}]"
    if name.startswith("below "):
        return f"{name.removeprefix('below ')})"
    return name.partition(", ")[2] if "," in name else ""
