"""Paths below the root path of an application."""


def below_root(path: str, root: str) -> str:
    """Return *path* without the root path of an application; *path* itself if it is not below it.

    A server under a gateway, such as ``uvicorn --root-path /api``, puts the root path before each
    path, and a mounted application has one, too.

    Args:
        path: Path of a request as the server gives it.
        root: Root path as the server gives it, such as ``/api``; or empty.
    """
    root = root.rstrip("/")
    rest = path[len(root) :]
    if not root or not path.startswith(root) or (rest and not rest.startswith("/")):
        return path
    return rest or "/"
