# ruff: noqa: INP001  Python finds this file on PYTHONPATH by its name
"""Watches for servers in every interpreter that ``nilometer run`` starts.

Python imports this module before all others. An interpreter without nilometer, such as that of
another virtual environment, starts as usual.
"""

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  pathlib costs 10 ms


def _run_the_next_one() -> None:
    """Run the `sitecustomize` that Python would have found without this one."""
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
