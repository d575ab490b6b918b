"""Which functions of users the collector may run, and what a call may use."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


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

    def allows(self, function: str) -> bool:
        """Return whether a pattern of `allowed` matches *function*."""
        return any(fnmatchcase(function, pattern) for pattern in self.allowed)

    def refusal(self, function: str) -> str:
        """Return why *function* may not run: a clause whose subject is the code."""
        return f"{function} is not in the collector's setting functions_allow"
