"""Text for a terminal: makes names safe to print, measures widths, formats numbers.

Source: Unicode Standard Annex 11, "East Asian Width".
"""

import math
import unicodedata

ELLIPSIS = "…"
_MARKS = frozenset({"Mn", "Me"})  # zero-width marks; removed if they combine with nothing
# Controls, direction marks, joiners, surrogates, unassigned characters: shown as a dot.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-=+*%#"
_ASCII = str.maketrans(
    {ELLIPSIS: "~", "·": ".", "▲": "^", "▼": "v", **dict(zip(BARS, ASCII_BARS, strict=True))}
)


def clean(text: str) -> str:
    """Return *text* with ``·`` for unprintable characters; marks are combined or removed."""
    if text.isascii() and text.isprintable():
        return text
    shown = []
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if category in _UNSHOWN:
            shown.append("·")
        elif category == "Zs":
            shown.append(" ")
        elif category not in _MARKS:
            shown.append(character)
    return "".join(shown)


def to_ascii(text: str) -> str:
    """Return *text* for an ASCII terminal, with the same width."""
    if text.isascii():
        return text
    return "".join(one if one.isascii() else "?" * width(one) for one in text.translate(_ASCII))


def width(text: str) -> int:
    """Return the number of columns of clean *text*."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def cut(text: str, columns: int) -> str:
    """Return clean *text* in at most *columns*; an ellipsis marks a cut."""
    if width(text) <= columns:
        return text
    if columns < 1:
        return ""
    left, kept = columns - 1, []
    for one in text:
        left -= width(one)
        if left < 0:
            break
        kept.append(one)
    return "".join(kept) + ELLIPSIS


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Return clean *text* in exactly *columns*."""
    text = cut(text, columns)
    space = " " * (columns - width(text))
    return space + text if right else text + space


def number(value: float | None) -> str:
    """Return a count or rate in at most six columns: ``0.42``, ``17.3``, ``1240``, ``12.4k``."""
    if value is None or math.isnan(value):
        return "-"
    if value < 0:
        return "-" + number(-value)
    if value == 0 or (isinstance(value, int) and value < 10_000):
        return f"{value:.0f}"
    if value < 0.005:
        return "<.01"
    for limit, shape in ((9.995, ".2f"), (99.95, ".1f"), (9999.5, ".0f")):
        if value < limit:
            return format(value, shape)
    for unit in "kMGT":
        value /= 1000
        if value < 99.95:
            return f"{value:.1f}{unit}"
        if value < 999.5:
            return f"{value:.0f}{unit}"
    return f"{value:.0e}"


def share(ratio: float | None) -> str:
    """Return a ratio in percent, at most five columns; never rounded to 0 % or 100 %."""
    if ratio is None or math.isnan(ratio):
        return "-"
    percent = 100 * ratio
    if percent in {0.0, 100.0}:
        return f"{percent:.0f}%"
    if percent < 0.05:
        return "<.1%"
    if 99.9 < percent < 100:
        return "99.9%"
    return f"{percent:.1f}%" if percent < 99.95 else f"{percent:.0f}%"


def seconds(value: float | None) -> str:
    """Return a duration in at most five columns: ``840us``, ``2.1ms``, ``1.24s``, ``12m``."""
    if value is None or math.isnan(value):
        return "-"
    if value < 999.5e-6:
        return f"{value * 1e6:.0f}us"
    for limit, factor, shape in (
        (9.95e-3, 1e3, ".1fms"),
        (0.9995, 1e3, ".0fms"),
        (9.995, 1, ".2fs"),
        (99.5, 1, ".1fs"),
    ):
        if value < limit:
            number_shape, unit = shape.split("f")
            return format(value * factor, f"{number_shape}f") + unit
    return age(value)


def age(value: float | None) -> str:
    """Return an age in at most four columns: ``12s``, ``59m``, ``23h``, ``400d``."""
    if value is None or math.isnan(value):
        return "-"
    for limit, divisor, unit in ((99.5, 1, "s"), (5970, 60, "m"), (171_000, 3600, "h")):
        if value < limit:
            return f"{value / divisor:.0f}{unit}"
    return f"{value / 86_400:.0f}d"


def size(value: float | None) -> str:
    """Return bytes in at most five columns: ``512B``, ``1.5K``, ``340M``."""
    if value is None:
        return "-"
    if value < 1000:
        return f"{value:.0f}B"
    for unit in "KMGTP":
        value /= 1024
        if value < 9.95:
            return f"{value:.1f}{unit}"
        if value < 1000:
            return f"{value:.0f}{unit}"
    return f"{value:.0f}E"


def trend(values: list[float | None], columns: int) -> str:
    """Return a bar chart of the last *columns* values, oldest first; a missing value is a space."""
    newest = values[-columns:] if columns > 0 else []
    top = max((value for value in newest if value is not None), default=0.0)
    bars = [
        " "
        if value is None
        else BARS[min(int(value / top * len(BARS)), len(BARS) - 1)]
        if top > 0
        else BARS[0]
        for value in newest
    ]
    return "".join(bars).rjust(columns)
