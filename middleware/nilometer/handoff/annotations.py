"""Values and labels that the model's code adds to an observation, and whether it may do so.

Finding a request costs as much as a tenth of the whole path, so requests can be found only where
somebody may ask for it: from the moment that ``nilometer.log`` is looked up, and, for a module that
has only imported the package, from the first request of the process.
"""

import sys
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import msgspec

from nilometer.values.labels import KEY, MAX_VALUE_BYTES

MAX_NAMES = 256  # of one observation, names of values and labels each
MAX_VALUES = 4096  # of one name

SCALARS = frozenset((bool, int, float, str, type(None)))

_used = False
_on_first_use: list[Callable[[], None]] = []


def on_first_use(call: Callable[[], None]) -> None:
    """Have *call* made when `log` or `label` is first looked up."""
    _on_first_use.append(call)


def mark_used() -> None:
    """Somebody has looked up `log` or `label`."""
    global _used  # noqa: PLW0603  one fact of the process
    if _used:
        return
    _used = True
    for call in _on_first_use:
        call()


def may_be_used() -> bool:
    """Whether a module may call us: it has looked us up, or holds the package under any name."""
    package = sys.modules["nilometer"]
    return _used or any(
        value is package
        for name, module in list(sys.modules.items())
        if not name.startswith("nilometer") and hasattr(module, "__dict__")
        for value in list(vars(module).values())
    )


class Annotations:
    """What one observation was handed.

    Attributes:
        values: Name -> value, or the list of values.
        labels: Label -> value.
    """

    __slots__ = ("labels", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.labels: dict[str, str] = {}


def valid_labels(labels: Mapping[str, object]) -> dict[str, str]:
    """Those of *labels* that `Labels` would take."""
    valid: dict[str, str] = {}
    for key, value in labels.items():
        text = str(value).encode("utf-8", "replace")
        if KEY.fullmatch(key) and len(text) <= MAX_VALUE_BYTES and len(valid) < MAX_NAMES:
            valid[key] = text.decode()
    return valid


def plain(value: Any) -> object:
    """*value* as numbers, texts and lists of them, copied: it may change under us."""
    if type(value) in SCALARS:
        return value
    if hasattr(value, "tolist"):  # numpy, torch, pandas
        if getattr(value, "size", 1) != 1 and hasattr(value, "reshape"):
            value = value.reshape(-1)[:MAX_VALUES]
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value[:MAX_VALUES]]
    if isinstance(value, int | float | str):  # subclasses, enumerations of them
        return type(value).__mro__[-2](value)
    return str(value)


def encoded(values: dict[str, object]) -> bytes:
    """*values* as a MessagePack map; what it has no room for as the nearest that it has."""
    try:
        return _encode(values)
    except (OverflowError, UnicodeEncodeError):  # an integer over 64 bits; half a character
        return _encode({_mended(name): _mended(value) for name, value in values.items()})


def _mended(value: Any) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return float(value) if abs(value) <= sys.float_info.max else inf if value > 0 else -inf
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(one) for name, one in value.items()}
    return value


_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
