"""kustomize itself, built from Go modules, makes of our component what we say it makes."""

import os
import shutil
import subprocess
import sys

import pytest
from e2e.stack import BUILT, ROOT

KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"


@pytest.mark.timeout(1200)
def test_kustomize_builds_what_the_manifests_say() -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    if not (BUILT / "kustomize").is_file():
        BUILT.mkdir(exist_ok=True)
        environment = {**os.environ, "GOBIN": str(BUILT)}
        built = subprocess.run(
            [go, "install", KUSTOMIZE], env=environment, capture_output=True, text=True, check=False
        )
        if built.returncode:
            pytest.skip(f"the Go module proxy or the build said no: {built.stderr[-200:]}")
    path = f"{BUILT}{os.pathsep}{os.environ['PATH']}"
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/deploy/test_kubernetes.py", "-k", "itself"],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    assert "1 passed" in finished.stdout
