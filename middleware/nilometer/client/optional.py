"""Imports packages that the client can do without."""

from importlib import import_module
from types import ModuleType


def optional(package: str, what: str, install: str) -> ModuleType:
    """Return the module *package*.

    Args:
        package: Name of the module.
        what: Noun for what needs it, for the error message.
        install: Argument of ``pip install`` that installs it.

    Raises:
        ModuleNotFoundError: If it is not installed; the message tells how to install it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # the package is installed, but one of its own parts is missing
        raise ModuleNotFoundError(
            f"{what} needs {package}: pip install {install}", name=package
        ) from None
