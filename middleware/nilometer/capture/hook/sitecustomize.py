# ruff: noqa: INP001  found on PYTHONPATH, by this name
"""Found first by every interpreter below ``nilometer run``: watches for servers, then steps aside.

An interpreter without nilometer, such as that of another virtual environment, starts as without us.
"""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib costs 10 ms


def _run_the_next_one() -> None:
    """The `sitecustomize` that would have run without this one."""
    path = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


try:
    from nilometer.capture import autowrap
except ImportError:
    pass
else:
    autowrap.install()
_run_the_next_one()
