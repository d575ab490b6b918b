"""Observation without a code change: servers are wrapped when their modules are imported.

`install` watches for imports of server modules (`nilometer.capture.servers`). Each such module is
changed so that it puts a middleware around the application that it loads. This middleware is
outermost, so it sees the same bytes as the client. ``capture/hook/sitecustomize.py`` calls
`install` in every interpreter that ``nilometer run`` starts. It imports no server itself.

If the application's code has its own middleware, that middleware observes the requests.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from nilometer.capture.servers import SERVERS, print_unobserved, uwsgi_change
from nilometer.values.variables import RUN


def install() -> None:
    """Watch for servers if ``nilometer run`` started this interpreter; otherwise do nothing."""
    if os.environ.get(RUN) and not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of `SERVERS` like any finder, and changes them after they have run."""

    def __init__(self) -> None:
        self._finding: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        change = SERVERS.get(fullname) or uwsgi_change(fullname)
        if change is None or fullname in self._finding:
            return None
        self._finding.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._finding.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, change)
        return spec


class _Loader(importlib.abc.Loader):
    """Wraps the loader of a module, and changes the module after it has run."""

    def __init__(self, loader: importlib.abc.Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Create the module with the wrapped loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then change it."""
        self._loader.exec_module(module)
        try:
            self._change(module)
        except Exception as error:  # the server's version is unexpected, so it runs unobserved
            print_unobserved(module.__name__, str(error))
