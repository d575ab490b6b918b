"""The snippets of docs/capture.md run as they stand."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from support.asgi_zoo import exchange, request_of, scope_of

from nilometer.handoff.worker import Worker

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "capture.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PAYMENT = b'{"amount": 120.0}'


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) == 5


@pytest.mark.parametrize("at", range(5))
def test_a_snippet_runs_and_its_application_answers(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "ensure_started", lambda _: None)
    names: dict[str, Any] = {"__name__": f"snippet_{at}"}
    exec(compile(SNIPPETS[at], "capture.md", "exec"), names)
    app = names.get("app")
    if app is None:
        assert names["predict"](500.0, "de") == {"risk": 0.5}
        return
    app.middleware_stack = app.build_middleware_stack()  # as at the start of a server
    sent, error = asyncio.run(exchange(app, scope_of(), request_of(PAYMENT)))
    assert error is None
    assert sent[0]["status"] == (200 if "predict" in names else 404)
