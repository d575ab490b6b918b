"""Paths relative to the root path of an application."""


def below_root(path: str, root: str) -> str:
    """Return *path* relative to the root path of an application, or *path* if it is outside.

    A server behind a gateway, such as ``uvicorn --root-path /api``, puts the root path before each
    path. A mounted application has a root path as well.

    Args:
        path: Path of a request, from the server.
        root: Root path from the server, such as ``/api``; may be empty.
    """
    root = root.rstrip("/")
    rest = path[len(root) :]
    if not root or not path.startswith(root) or (rest and not rest.startswith("/")):
        return path
    return rest or "/"
