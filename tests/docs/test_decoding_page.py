"""docs/decoding.md and the code say the same."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest

from nilometer.decode import Protocol, Side, custom, decode_exchange
from nilometer.values.entity import Role

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "decoding.md").read_text()


def test_every_protocol_stands_in_the_table_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == {one.value for one in Protocol}


def test_the_decoder_on_the_page_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "registered", [])
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(snippet, "decoding.md", "exec"), names)
    side = Side()
    body = struct.pack("<bd", -1, 99.5)
    decode_exchange(body, "application/x-trade", "", Role.INPUT, side, path="/trades/7")
    assert side.columns(set()) == {"side": [-1], "price": [99.5]}
