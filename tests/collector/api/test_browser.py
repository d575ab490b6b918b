"""The pages in a real Chromium, with and without a token."""

import hashlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, Route, sync_playwright

from nilometer.batch.reference_upload import put_reference
from nilometer_collector.alerting.definitions import AlerterView
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    a_reference,
    an_evaluation,
    feature_sample,
    minute,
    running,
)

CHROMIUM = shutil.which("chromium") or ""
QUIET = (  # what Chromium asks of the net by itself
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
TOKEN = "canary-viewer"
PRINCIPALS = [
    {
        "name": "viewer",
        "token_sha256": [hashlib.sha256(TOKEN.encode()).hexdigest()],
        "read": ["*"],
    },
    {"name": "pod", "token_sha256": [hashlib.sha256(b"of the pod").hexdigest()]},
]


@pytest.fixture
def page() -> Iterator[Page]:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser.new_page()
        browser.close()


@pytest.fixture
def guarded(database: Path) -> Iterator[Running]:
    with running(database, principals=PRINCIPALS) as served:
        yield served


def test_a_browser_logs_in_sees_the_pages_and_cannot_change_a_thing(
    guarded: Running, page: Page
) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    url = guarded.collector.http_url
    page.goto(url + "/")
    assert page.url == url + "/login"
    page.get_by_label("Token").fill("no token at all")
    # Chromium writes the 401 to its console, before or after the page is there.
    with page.expect_console_message(lambda message: "401" in message.text):
        page.get_by_role("button", name="Log in").click()
    assert page.url == url + "/login"
    assert page.get_by_label("Token").is_visible()
    assert not page.context.cookies()
    said.clear()

    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(url + "/")
    page.get_by_role("heading").first.wait_for()
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in cookie["value"]
    assert page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"
    status = page.evaluate(
        "fetch('/api/v1/alerters', {method: 'POST', body: '{}'}).then(answer => answer.status)"
    )
    assert status == 403
    assert [one for one in said if "403" not in one] == []
    page.evaluate("fetch('/logout', {method: 'POST'})")
    page.goto(url + "/")
    assert page.url == url + "/login"


def test_the_pages_show_what_was_shipped(served: Running, page: Page) -> None:
    served.sender().ship(feature_sample([1.0, 2.0, 3.0]))
    page.goto(served.collector.http_url + "/")
    page.get_by_text(ENTITY).first.wait_for()


def test_the_pipeline_leads_from_an_edge_to_its_row_and_from_a_node_to_its_entity(
    served: Running, page: Page
) -> None:
    for name, sources in (("sensor", []), ("comfort", ["sensor"]), ("alone", [])):
        served.http.put(
            "/api/v1/entity", params={"entity": name}, json={"reads_from": sources}
        ).raise_for_status()
    page.goto(f"{served.collector.http_url}/#/pipeline")
    graph = page.get_by_role("group", name="Graph of the pipeline")
    graph.get_by_role("link", name="sensor to comfort, declared").press("Enter")
    assert page.url.endswith("#/pipeline?source=sensor&reader=comfort")
    page.get_by_role("cell", name="not compared").wait_for()
    assert page.get_by_role("heading", name="Without edges").is_visible()
    graph.get_by_role("link", name="comfort No data").press("Enter")
    page.get_by_role("heading", name="comfort").wait_for()
    assert page.url.endswith("#/entity/comfort")


def test_a_table_asks_once_for_the_windows_of_all_its_summaries(
    served: Running, page: Page
) -> None:
    names = [f"input.f{number}" for number in range(8)]
    sender = served.sender()
    for number in range(3):
        sender.ship(*(feature_sample([1.0, 2.0], summary=n, window=minute(number)) for n in names))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("?")[0]))
    page.goto(f"{served.collector.http_url}/#/entity/{ENTITY}")
    charts = page.get_by_role("img", name="median of the newest 3 windows")
    charts.nth(len(names) - 1).wait_for()
    paths = [url.rpartition("/")[2] for url in asked]
    assert (paths.count("newest"), paths.count("samples")) == (1, 0)


def test_the_pages_show_kinds_that_they_do_not_know(served: Running, page: Page) -> None:
    def from_outside(route: Route) -> None:
        answer = route.fetch().json()
        for sample in answer["samples"]:
            sample |= {
                "feature": None,
                "extension": {"kind": "hits", "content": {"hit_ratio": 0.75}},
            }
        route.fulfill(json=answer)

    served.sender().ship(feature_sample([1.0, 2.0, 3.0]))
    page.route("**/api/v1/samples?*", from_outside)
    alerter = AlerterView(
        entity=ENTITY,
        name="hits",
        summary="*",
        kind="MOST",
        statistic="hit_ratio",
        minimum_count=1,
        parameters={"values_allowed": 7.0},
    )
    alerters = {"alerters": [msgspec.to_builtins(alerter)]}
    page.route("**/api/v1/alerters?*", lambda route: route.fulfill(json=alerters))
    page.goto(f"{served.collector.http_url}/#/entity/{ENTITY}/summary/input.amount")
    panel = page.get_by_role("region", name=re.compile("^Window"))
    panel.get_by_text("hits").wait_for()
    assert "hit ratio\t75.0 %" in panel.inner_text()
    assert page.get_by_role("img", name="hit ratio over 1 windows").is_visible()
    words = page.get_by_role("cell", name="MOST, statistic = hit_ratio, values_allowed = 7")
    assert words.is_visible()


def test_a_logged_window_is_compared_with_earlier_ones_and_with_segments(
    served: Running, page: Page
) -> None:
    start = minute(0).start_ns // 10**9
    logged = {"entity": ENTITY, "summary": "logged.auc", "seconds": 60, "aggregation": "mean"}

    def table(at: int, region: str, **rows: float) -> dict[str, object]:
        cells = [[segment, auc] for segment, auc in rows.items()]
        content = {"type": "table", "columns": ["segment", "auc"], "rows": cells}
        return {**logged, "start": start + at, "labels": {"region": region}, "content": content}

    samples = [
        table(0, "eu", new=0.5, old=0.5),
        table(86_400 - 60, "eu", new=0.25, old=0.5),
        table(86_400, "eu", new=0.75, old=0.5),
        table(86_400, "us", new=0.75, old=1.5),
    ]
    served.http.post("/api/v1/samples", json={"samples": samples}).raise_for_status()
    path = f"/#/entity/{ENTITY}/summary/logged.auc?range=6h&label=region:eu"
    page.goto(served.collector.http_url + path)
    found = page.get_by_role("region", name="Difference")
    for side, distance, change in (
        ("window before", "0.25", "0.5"),
        ("a day earlier", "0.1111", "0.25"),
        ("region:us", "0.2857", "0"),
    ):
        found.get_by_label(side).check()
        found.get_by_text(distance, exact=True).wait_for()
        row = found.get_by_role("row", name="new")
        assert row.get_by_role("cell").all_inner_texts() == ["new", change]
    found.get_by_label("a week earlier").check()
    found.get_by_text("No difference: a side has no samples.").wait_for()


@pytest.fixture
def alerting(database: Path) -> Iterator[Running]:
    """A collector with an open episode, by the machine's clock, as the browser's."""
    with running(database) as served:
        served.sender().ship(feature_sample([1.0, 2.0]), an_evaluation(0.5, 1))
        yield served


def test_a_person_silences_an_episode_and_says_why(alerting: Running, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{alerting.collector.http_url}/#/entity/{ENTITY}")
    page.get_by_role("button", name="Silence").click()
    page.get_by_label("Reason").fill("a known sale")
    page.locator("form button").click()
    page.get_by_text("a known sale").wait_for()
    page.get_by_role("button", name="End silence").wait_for()
    found = page.evaluate("async () => (await fetch('/api/v1/episodes')).json()")
    (decision,) = found["episodes"][0]["decisions"]
    assert (decision["kind"], decision["author"]) == ("silenced", "local")
    assert 3500 < decision["until"] - decision["made"] < 3700
    assert said == []


def test_the_page_of_declared_objects_shows_changes_and_names_that_point_nowhere(
    served: Running, page: Page
) -> None:
    served.sender().ship(feature_sample([1.0, 2.0]))
    alerter = {
        "entity": ENTITY,
        "name": "late",
        "summary": "input.amounts",
        "kind": "FIXED",
        "statistic": "mean",
    }
    for threshold in (2.0, 3.0):
        document = {"version": 1, "alerters": [{**alerter, "threshold": threshold}]}
        served.http.post("/api/v1/apply", json=document).raise_for_status()
    warning = f"matches no summary of {ENTITY}; did you mean 'input.amount'?"
    page.goto(f"{served.collector.http_url}/#/declared")
    page.get_by_text("threshold: 2.0 → 3.0").wait_for()
    page.get_by_text(warning).wait_for()
    page.goto(f"{served.collector.http_url}/#/entity/{ENTITY}")
    page.get_by_role("heading", name="Warnings").wait_for()
    page.get_by_text(warning).wait_for()


def test_windows_that_were_counted_on_other_edges_are_marked(served: Running, page: Page) -> None:
    amounts = [float(one) for one in range(200)]
    reference = a_reference({"input.amount": amounts})
    put_reference(reference, served.collector.grpc_target)
    edges = reference.columns["input.amount"].edges
    served.sender().ship(
        feature_sample(amounts),
        feature_sample(amounts, window=minute(1)),
        feature_sample(amounts, window=minute(2), edges=edges),
    )
    page.goto(f"{served.collector.http_url}/#/entity/{ENTITY}/summary/input.amount")
    page.get_by_text("estimated, re-binned").first.wait_for(timeout=10_000)
    told = page.get_by_text("counted on other edges than the reference")
    assert told.count() == 0  # the newest window has the edges of the reference
    page.get_by_role("button", name="Earlier").click()
    told.wait_for(timeout=10_000)


def test_a_version_of_a_reference_is_frozen_approved_compared_rolled_back_and_removed(
    alerting: Running, page: Page
) -> None:
    """The page also says what is too small, when the version expires, and what compares with it."""
    recent = minute((time.time_ns() - START_NS) // (60 * 10**9) - 5)
    alerting.sender("other").ship(feature_sample([1.0, 2.0, 3.0], window=recent))
    first = a_reference({"input.amount": [1.0, 2.0]})
    for reference in (first, a_reference({"input.amount": [5.0] * 100, "input.new": [1.0]})):
        put_reference(reference, alerting.collector.grpc_target)
    kind = {"kind": "REFERENCE", "reference": "training", "comparator": "psi", "threshold": 0.2}
    moved = {"entity": ENTITY, "name": "moved", "summary": "input.amount", **kind}
    document = {"version": 1, "alerters": [moved]}
    alerting.http.post("/api/v1/apply", json=document).raise_for_status()
    page.goto(f"{alerting.collector.http_url}/#/entity/{ENTITY}")
    page.get_by_role("link", name="training").click()
    page.get_by_role("link", name=first.digest).click()
    page.get_by_text("input.amount has 2 values, too few for").wait_for(timeout=10_000)
    compared = page.get_by_role("row", name="input.new")
    assert "only in the second" in compared.inner_text()
    page.get_by_label("Expires").fill("2099-01-01")
    page.get_by_role("button", name="Roll back to this version").click()
    page.get_by_role("cell", name="current, expires 2099-01-01").wait_for(timeout=10_000)
    (current,) = alerting.get("references")["references"]
    assert (current["digest"], current["expires"]) == (first.digest, 4070908800.0)

    page.get_by_role("textbox", name="Name").fill("week")
    page.get_by_role("combobox").select_option("last 28 days")
    page.get_by_role("button", name="Freeze").click()
    page.get_by_role("button", name="Make it current").click(timeout=10_000)
    page.get_by_role("button", name="Change expiry").wait_for(timeout=10_000)
    current = {one["name"]: one for one in alerting.get("references")["references"]}
    assert current["week"]["expires"] is None
    changes = page.get_by_role("region", name="Changes")
    assert "reference week of fraud-scorer: created" in changes.inner_text()

    page.get_by_role("button", name="Delete the reference week").click()
    page.get_by_role("textbox", name="Reason").fill("of a sale")
    page.get_by_role("button", name="Delete it").click()
    page.get_by_role("button", name="Make it current").wait_for(timeout=10_000)
    assert [one["name"] for one in alerting.get("references")["references"]] == ["training"]
    removed = changes.get_by_role("row").nth(1).inner_text()
    assert "Reason: of a sale" in removed
    assert "reference week of fraud-scorer: removed" in removed
    page.get_by_role("link", name=first.digest).click()
    page.get_by_text("The alerter moved compares with it").wait_for(timeout=10_000)
    assert page.get_by_role("button", name="Delete the reference").count() == 0
    page.get_by_role("textbox", name="Name").fill("learned")
    page.get_by_role("button", name="Freeze").click()
    page.get_by_role("alert").wait_for(timeout=10_000)
