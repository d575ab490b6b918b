"""Sizes and times as the doctor prints them."""


def bytes_in_words(count: int) -> str:
    """Return *count* bytes as text, in a fitting unit."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def seconds_in_words(seconds: float) -> str:
    """Return *seconds* as text, in a fitting unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
