"""Which Python functions of users the collector may run, and what a call may use.

One list of patterns, the setting `FUNCTIONS_ALLOW`, is for alerters and for targets of actions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from nilometer.values.errors import ConfigError

FUNCTIONS_ALLOW = "functions_allow"  # name of the collector's setting
_PATTERN = re.compile(r"[A-Za-z_][\w.*]{0,200}:[\w.*]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionLimits:
    """Which functions the collector may run, and what a call may use.

    Attributes:
        allowed: Patterns of functions, such as ``my_alerters:*``; without one, none may run.
        seconds: Longest time of a call, which is also its most processor time.
        memory_mib: Most address space of the process, in MiB.
        token_file: File with the token that functions use for the API; empty for none.
        tls_ca: CA certificates that they trust, PEM; empty for those of the machine.
    """

    allowed: tuple[str, ...] = ()
    seconds: float = 60.0
    memory_mib: int = 1024
    token_file: str = ""
    tls_ca: str = ""


def check_patterns(patterns: Sequence[str]) -> None:
    """Refuse a pattern that is not ``package.module:function``, whose package is written out.

    Raises:
        ConfigError: The message names the setting and the pattern.
    """
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise ConfigError(
                f"{FUNCTIONS_ALLOW} = {pattern[:128]!r}: must be package.module:function, in which * "
                "stands for any text after the first letter"
            )


def is_allowed(function: str, patterns: Sequence[str]) -> bool:
    """Return whether one of *patterns* matches *function*."""
    return any(fnmatchcase(function, pattern) for pattern in patterns)


def refusal(function: str) -> str:
    """Return why *function* may not run: a clause whose subject is the code."""
    return f"{function[:128]} is not in the collector's setting {FUNCTIONS_ALLOW}"
