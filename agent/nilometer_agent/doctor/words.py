"""Sizes and times as the doctor says them."""


def bytes_in_words(count: int) -> str:
    """*count* bytes, in the unit that suits."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def seconds_in_words(seconds: float) -> str:
    """*seconds*, in the unit that suits."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
