"""What the sidecar costs a pod before it has any work: packages and memory."""

from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.start import until_ready

MOST_MEGABYTES = 150
IDLE_MEGABYTES = 100


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Every package that `pip install name[extras]` brings."""
    found: set[str] = set()
    waiting = [(name, extras)]
    seen = set()
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        found.add(package)
        for text in distribution(package).requires or ():
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in wanted or {""}]
            marker = requirement.marker
            if marker is None or any(marker.evaluate(environment) for environment in environments):
                waiting.append((requirement.name.lower(), frozenset(requirement.extras)))
    return found


def bytes_of(package: str) -> int:
    files = distribution(package).files or ()
    return sum(
        path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()
    )


def test_the_agents_packages_are_small() -> None:
    packages = closure("nilometer", frozenset({"agent"}))
    assert {"numpy", "grpcio", "opentelemetry-sdk", "prometheus-client"} <= packages
    assert not packages & {"scikit-learn", "pyarrow", "pandas", "starlette", "rotel"}
    assert sum(map(bytes_of, packages)) < MOST_MEGABYTES * 1e6


def test_an_agent_without_work_is_small(tmp_path: Path) -> None:
    _, megabytes = until_ready(str(tmp_path))
    assert megabytes < IDLE_MEGABYTES
