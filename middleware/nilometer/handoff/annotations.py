"""Values and labels that the model's code adds to an observation.

Looking up the request costs up to a tenth of the request path. So requests can be looked up only if
the process may call ``nilometer.log`` or ``nilometer.label``: one of them was accessed, or a module
holds the package at the first request.
"""

import sys
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import msgspec

from nilometer.values.labels import KEY, MAX_VALUE_BYTES

MAX_NAMES = 256  # most names of one observation, for values and for labels separately
MAX_VALUES = 4096  # most values of one name

SCALARS = frozenset((bool, int, float, str, type(None)))

_used = False
_on_first_use: list[Callable[[], None]] = []


def on_first_use(call: Callable[[], None]) -> None:
    """Register *call* to run when `log` or `label` is first accessed."""
    _on_first_use.append(call)


def mark_used() -> None:
    """Record that `log` or `label` was accessed."""
    global _used  # noqa: PLW0603  one flag for the process
    if _used:
        return
    _used = True
    for call in _on_first_use:
        call()


def may_be_used() -> bool:
    """Return whether a module may call `log`: it was accessed, or a module holds the package."""
    package = sys.modules["nilometer"]
    return _used or any(
        value is package
        for name, module in list(sys.modules.items())
        if not name.startswith("nilometer") and hasattr(module, "__dict__")
        for value in list(vars(module).values())
    )


def valid_labels(labels: Mapping[str, object]) -> dict[str, str]:
    """Return the part of *labels* that `Labels` accepts."""
    valid: dict[str, str] = {}
    for key, value in labels.items():
        text = str(value).encode("utf-8", "replace")
        if KEY.fullmatch(key) and len(text) <= MAX_VALUE_BYTES and len(valid) < MAX_NAMES:
            valid[key] = text.decode()
    return valid


def plain(value: Any) -> object:
    """Return *value* as numbers, texts and lists of these, copied because it may change."""
    if type(value) in SCALARS:
        return value
    if hasattr(value, "tolist"):  # numpy, torch, pandas
        if getattr(value, "size", 1) != 1 and hasattr(value, "reshape"):
            value = value.reshape(-1)[:MAX_VALUES]
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value[:MAX_VALUES]]
    if isinstance(value, int | float | str):  # a subclass, such as an enumeration
        return type(value).__mro__[-2](value)
    return str(value)


def encoded(values: dict[str, object]) -> bytes:
    """Return *values* as a MessagePack map; values that do not fit are replaced by the nearest."""
    try:
        return _encode(values)
    except (OverflowError, UnicodeEncodeError):  # over 64 bits, or a lone surrogate
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
