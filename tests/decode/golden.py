"""Writes golden/ from recorded/: ``PYTHONPATH=middleware python tests/decode/golden.py``; read the diff."""

import json
from pathlib import Path

from nilometer.commands.decoded_traffic import see
from nilometer.commands.traffic_files import read

HERE = Path(__file__).parent


def lines(server: Path) -> list[str]:
    """What is seen of one server's exchanges, a line each."""
    seen = [see(exchange).as_json() for exchange in read(server / "manifest.json")]
    return [json.dumps(one, ensure_ascii=False) for one in seen]


def servers() -> list[Path]:
    """The folders of recorded traffic."""
    return sorted(path.parent for path in (HERE / "recorded").glob("*/manifest.json"))


if __name__ == "__main__":
    for server in servers():
        target = HERE / "golden" / f"{server.name}.jsonl"
        target.write_text("".join(f"{line}\n" for line in lines(server)), "utf-8")
