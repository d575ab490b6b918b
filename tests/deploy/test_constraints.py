"""The constraints file pins the development packages and names no private index."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "constraints.txt").read_text().splitlines()


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_line_pins_one_version_and_names_no_host() -> None:
    pin = re.compile(r"[a-z0-9-]+==[\w.!]+( ; [\w.<>=!' ]+)?")
    assert [line for line in LINES if not pin.fullmatch(line)] == []


def test_every_requirement_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {*project["dependencies"]}.union(*project["optional-dependencies"].values())
    names = {normalised(re.split(r"[\[<>=; ]", requirement)[0]) for requirement in wanted}
    assert names - {"nilometer"} <= {line.partition("==")[0] for line in LINES}
