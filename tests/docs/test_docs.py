"""The documents and the code say the same."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nilometer
from nilometer.values.reasons import DropReason, UndecodableReason
from nilometer_agent.measure.counters import Counter

ROOT = Path(__file__).resolve().parents[2]


def rows_of(page: str, heading: str) -> set[str]:
    """First cells of the table below *heading*."""
    section = page.partition(heading)[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_every_counter_and_reason_stands_in_the_table_and_no_other() -> None:
    page = (ROOT / "docs" / "telemetry.md").read_text()
    assert rows_of(page, "# What nilometer counts") == {counter.value for counter in Counter}
    assert rows_of(page, "## Why an observation is lost") == {r.value for r in DropReason}
    columns = rows_of(page, "## Why an observation has no columns")
    assert columns == {reason.value for reason in UndecodableReason}


def test_the_settings_page_is_what_the_code_says() -> None:
    finished = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_settings.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def test_the_public_names_are_pinned() -> None:
    assert nilometer.__all__ == [
        "AsyncClient",
        "Client",
        "ConfigError",
        "IncompatibleSketches",
        "Labels",
        "NilometerError",
        "NilometerMiddleware",
        "NilometerWSGIMiddleware",
        "TDigest",
        "Window",
        "__version__",
        "label",
        "log",
        "observe",
        "profiler",
    ]
    for name in nilometer.__all__:
        assert getattr(nilometer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nilometer.nothing


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == nilometer.__version__


@pytest.mark.parametrize(
    ("options", "redaction"),
    [("", "['nilometer.handoff.redact']"), (", redact_fields=['a']", "[]")],
)
def test_the_capture_path_imports_neither_numpy_nor_a_decoder(options: str, redaction: str) -> None:
    """It imports redaction only if a rule asks for it."""
    code = (
        "import sys; from nilometer import NilometerMiddleware; "
        f"NilometerMiddleware(lambda *_: None, entity='e'{options}); "
        "import nilometer.handoff.worker, nilometer.handoff.raw_outlet, nilometer.handoff.link; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "{'numpy', 'pandas', 'starlette', 'grpc', 'google'} "
        f"or m.startswith(('nilometer.decode', 'nilometer.kinds')) or m in {redaction}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"


def test_the_base_install_is_three_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}
    assert names == {"msgspec", "numpy", "protobuf"}


def test_nothing_unpickles_or_evaluates() -> None:
    modules = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    for source in ("middleware", "agent", "collector/nilometer_collector"):
        for path in (ROOT / source).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name.split(".")[0] for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [(node.module or "").split(".")[0]]
                elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in {"eval", "exec"}, path.name
                assert not modules & set(names), path.name
