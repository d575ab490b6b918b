"""Checks the shape of the source: length of modules and functions, ``noqa``, ``Any``.

ARCHITECTURE.md lists the limits. The command prints a table and exits with 1 if a limit is
exceeded.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("middleware/nilometer", "agent/nilometer_agent", "collector/nilometer_collector")
GENERATED = {"middleware/nilometer/v1"}

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_EXCEPTIONS = 3.1  # `noqa` and `type: ignore` per thousand lines
MAX_ANY = 0.05  # share of functions with `Any` in their signature

# Functions of the request path are long, because each further call costs a tenth of the path.
HOT_PATH = {
    "nilometer.capture.asgi.NilometerMiddleware.__call__",
    "nilometer.handoff.pack.Packer.pack",
}

_EXCEPTION = re.compile(r"#\s*(noqa|type:\s*ignore)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Shape:
    """The counts that were found in the source."""

    modules: int = 0
    lines: int = 0
    exceptions: int = 0
    functions: int = 0
    anys: int = 0
    long_modules: list[str] = field(default_factory=list)
    long_functions: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Return one line for each limit that is exceeded."""
        found = [f"module over {MAX_MODULE_LINES} lines: {name}" for name in self.long_modules]
        found += [f"function over {MAX_FUNCTION_LINES} lines: {x}" for x in self.long_functions]
        if self.exception_rate > MAX_EXCEPTIONS:
            found.append(f"noqa and type: ignore: over {MAX_EXCEPTIONS} per thousand lines")
        if self.any_share > MAX_ANY:
            found.append(f"Any in signatures: over {MAX_ANY:.1%}")
        return found

    @property
    def exception_rate(self) -> float:
        """``noqa`` and ``type: ignore`` per thousand lines."""
        return 1000 * self.exceptions / max(self.lines, 1)

    @property
    def any_share(self) -> float:
        """Share of the functions that have `Any` in their signature, 0 to 1."""
        return self.anys / max(self.functions, 1)


def measured(root: Path) -> Shape:
    """Return the shape of the packages below *root*."""
    shape = Shape()
    for path in _sources(root):
        text = path.read_text("utf-8")
        relative = path.relative_to(root)
        module = ".".join(relative.with_suffix("").parts[1:])
        lines = text.count("\n")
        shape.modules += 1
        shape.lines += lines
        shape.exceptions += sum(bool(_EXCEPTION.search(line)) for line in text.splitlines())
        if lines > MAX_MODULE_LINES:
            shape.long_modules.append(f"{relative} ({lines})")
        for name, function in _functions(ast.parse(text), module):
            _add(shape, name, function)
    return shape


def _sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if not any(str(path.relative_to(root)).startswith(one) for one in GENERATED):
                yield path


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            name = f"{prefix}.{child.name}"
            yield name, child
            yield from _functions(child, name)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}.{child.name}")
        else:
            yield from _functions(child, prefix)


def _add(shape: Shape, name: str, function: Function) -> None:
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if length > MAX_FUNCTION_LINES and name not in HOT_PATH:
        shape.long_functions.append(f"{name} ({length})")
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    annotations = [one.annotation for one in every] + [function.returns]
    shape.functions += 1
    shape.anys += any(_names_any(annotation) for annotation in annotations if annotation)


def _names_any(annotation: ast.expr) -> bool:
    return re.search(r"\bAny\b", ast.unparse(annotation)) is not None


def main() -> int:
    """Print the table; return 1 if a limit is exceeded."""
    shape = measured(ROOT)
    print(f"modules                              {shape.modules:>8}")
    print(f"lines                                {shape.lines:>8}")
    print(f"noqa, type: ignore per 1,000 lines   {shape.exception_rate:>8.2f}")
    print(f"Any in signatures                    {shape.any_share:>8.1%}")
    problems = shape.problems()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
