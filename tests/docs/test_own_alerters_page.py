"""docs/own-alerters.md and the code say the same: its function is called, and its programs report."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nilometer import Client
from nilometer.functions import Interval
from nilometer.values.clock import NANOSECONDS, SystemClock
from nilometer.values.window import Window
from nilometer_collector.testing import ENTITY, feature_sample, running

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-alerters.md").read_text()
FUNCTION, PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
BODY = re.findall(r"-d '(\{.*?\})'", PAGE, re.DOTALL)[0]
MINUTE_NS = 60 * NANOSECONDS
URL = "http://127.0.0.1:7500"


def test_the_programs_of_the_page_work(tmp_path: Path) -> None:
    allowed, alerter = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    told = tomllib.loads(allowed)["collector"] | tomllib.loads(alerter)["collector"]
    end_ns = SystemClock().now_ns() // MINUTE_NS * MINUTE_NS
    window = Window(end_ns - MINUTE_NS, end_ns)
    end = datetime.fromtimestamp(end_ns / NANOSECONDS, UTC)
    with running(tmp_path / "c.db", **told) as served, Client(served.collector.http_url) as client:
        served.sender().ship(feature_sample([10.0] * 50, window=window))
        names: dict[str, Any] = {}
        exec(FUNCTION, names)
        asked = Interval(entity=ENTITY, alerter="x", start=end, end=end, client=client)
        report = names["large_amounts"](asked)
        assert (report.status, report.evidence) == ("OK", "99 % of 50 amounts are at most 10")
        body = {"entity": ENTITY, "name": "open claims", "summary": "claims", "kind": "REPORTED"}
        served.put_alerter(body).raise_for_status()
        exec(PROGRAM.replace(URL, served.collector.http_url), {})
        answer = served.http.post("/api/v1/alerters/reports", json=json.loads(BODY))
        assert answer.json()["statuses"] == ["OK"]
