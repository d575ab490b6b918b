"""How many files and connections this process may have open."""

import resource

WANTED = 65_536  # soft limit, where the hard one allows it
RESERVED = 64  # for files, logs and connections that this process opens itself


def raise_limit() -> None:
    """Raise this process's own limit of descriptors as far as it may and needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def free() -> int:
    """Descriptors that servers may share among their connections, by the limit of now; 64 at least."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max((WANTED if soft == resource.RLIM_INFINITY else soft) - RESERVED, RESERVED)
