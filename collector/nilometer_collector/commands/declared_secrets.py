"""Secrets of channels and targets in files of declared objects: read where the command runs.

A file that people review names a secret, and does not contain it. The collector gets only the text, so
it opens no file that somebody else names.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

KINDS = ("channels", "targets")  # keys of a document whose objects have secrets
MAX_BYTES = 65_536  # largest file of a secret
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")  # else it may be the secret itself
_FORMS = "{file: PATH}, {env: VARIABLE} or {fingerprint: TEXT}"


class WrongSecret(Exception):
    """A secret that cannot be read. The message does not repeat a secret.

    Args:
        name: Name of the secret.
        reason: Why it cannot be read.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"secrets.{name}: {reason}")
        self.name = name


def with_secrets(item: object, directory: Path) -> object:
    """Return *item*, an object of a document, with the text of each secret that it names.

    Args:
        item: Channel or target as JSON values.
        directory: Directory from which paths of files begin.

    Raises:
        WrongSecret: If a secret is written out, or cannot be read.
    """
    if not isinstance(item, dict) or not isinstance(item.get("secrets"), dict):
        return item
    secrets = {name: _secret(name, given, directory) for name, given in item["secrets"].items()}
    return {**item, "secrets": secrets}


def _secret(name: str, given: object, directory: Path) -> object:
    if not isinstance(given, Mapping) or len(given) != 1:
        raise WrongSecret(name, f"must be {_FORMS}: do not write a secret into this file")
    ((form, value),) = given.items()
    if form not in {"file", "env", "fingerprint"} or not isinstance(value, str):
        raise WrongSecret(name, f"must be {_FORMS}")
    match form:
        case "file":
            if "://" in value:
                raise WrongSecret(name, "file: must be the path of a file, not a URL")
            return _of_file(name, directory / value)
        case "env":
            if not _VARIABLE.fullmatch(value):
                raise WrongSecret(name, "env: must be the name of an environment variable")
            if not os.environ.get(value):
                raise WrongSecret(name, f"the environment has no variable {value!r}")
            return os.environ[value].strip()
        case _:
            return given


def _of_file(name: str, path: Path) -> str:
    try:
        with path.open("rb") as source:
            found = source.read(MAX_BYTES + 1)
        if len(found) > MAX_BYTES:
            raise WrongSecret(name, f"the file {str(path)!r} is over {MAX_BYTES} bytes")
        return found.decode().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise WrongSecret(name, f"the file {str(path)[:256]!r} cannot be read: {reason}") from error
