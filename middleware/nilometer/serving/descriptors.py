"""The number of files and connections that this process may open."""

import resource

WANTED = 65_536  # soft limit to set if the hard limit allows it
RESERVED = 64  # descriptors for files, logs and outgoing connections of this process


def raise_limit() -> None:
    """Raise this process's soft limit of descriptors as far as allowed and useful."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def free() -> int:
    """Return the number of descriptors that servers may use for connections; at least 64."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max((WANTED if soft == resource.RLIM_INFINITY else soft) - RESERVED, RESERVED)
