"""The page that the signed links of a message open: it decides once, and a GET decides nothing."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import sync_playwright
from support.watch_steps import a_part, a_step, an_opening

from nilometer.testing import SteppedClock, eventually
from nilometer_collector.access.links import DECIDE_PATH
from nilometer_collector.channels.choices import LASTING_DAYS
from nilometer_collector.store import open_store
from nilometer_collector.testing import ENTITY, START_NS, Running, Webhook, an_evaluation, running

CHROMIUM = shutil.which("chromium") or ""
LOOPBACK = ["127.0.0.0/8"]
PUBLIC = "https://nilometer.example"
DAY_SECONDS = 86_400.0
PRINCIPAL = {"name": "pod", "token_sha256": ["0" * 64], "read": ["*"], "write": ["*"]}
WRITTEN = {"name": "Ann", "reason": "a known sale", "hours": "4"}


@contextmanager
def told(
    database: Path, webhook: Webhook, clock: SteppedClock | None = None, **settings: object
) -> Iterator[Running]:
    """A collector whose channel `team` has been told of the opening of an episode."""
    known = {"webhook_allow": LOOPBACK, "public_url": PUBLIC, **settings}
    with running(database, clock, **known) as served:
        channel = {"name": "team", "kind": "webhook", "secrets": {"url": webhook.url}}
        served.http.put("/api/v1/channels", json=channel).raise_for_status()
        served.sender().ship(an_evaluation(0.5, 1))
        eventually(lambda: len(webhook.accepted) == 1)
        yield served


@pytest.fixture
def served(database: Path, webhook: Webhook, clock: SteppedClock) -> Iterator[Running]:
    with told(database, webhook, clock) as it:
        yield it


def links_in(webhook: Webhook, number: int = 0) -> dict[str, dict[str, str]]:
    """Return the fields of each signed link of a message by the kind of its decision."""
    links = [urlsplit(one["url"]) for one in webhook.accepted[number].content["decisions"]]
    assert {(one.scheme, one.netloc, one.path) for one in links} == {
        ("https", "nilometer.example", DECIDE_PATH)
    }
    found = [{name: values[0] for name, values in parse_qs(one.query).items()} for one in links]
    return {one["kind"]: one for one in found}


def post(served: Running, fields: dict[str, str], **changes: str) -> httpx.Response:
    return served.http.post(DECIDE_PATH, data={**fields, **WRITTEN, **changes})


def decisions(served: Running, episode: int = 1) -> list[dict[str, Any]]:
    found = served.get("episodes", entity=ENTITY)["episodes"]
    (made,) = (one["decisions"] for one in found if one["id"] == episode)
    return list(made)


def test_a_get_decides_nothing_and_a_post_decides_once(served: Running, webhook: Webhook) -> None:
    fields = links_in(webhook)
    assert list(fields) == ["acknowledged", "silenced", "new_normal"]
    for kind, button in (("acknowledged", "Acknowledge"), ("silenced", "Silence")):
        for _ in range(2):  # a chat's preview, and a person
            shown = served.http.get(DECIDE_PATH, params=fields[kind])
            assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
            assert f"<button>{button}</button>" in shown.text
            assert served.http.head(DECIDE_PATH, params=fields[kind]).status_code == 200
        assert not any(one["kind"] == kind for one in decisions(served))
        made = post(served, fields[kind], reason="<b>a sale</b>")
        assert (made.status_code, "&lt;b&gt;a sale&lt;/b&gt;" in made.text) == (200, True)
        again = post(served, fields[kind], name="Bob")
        seen = served.http.get(DECIDE_PATH, params=fields[kind])
        for answer in (again, seen):
            assert (answer.status_code, "was used before" in answer.text) == (409, True)
    first, second = decisions(served)
    assert (first["kind"], first["author"]) == ("acknowledged", "Ann (link in team)")
    assert (second["kind"], second["until"]) == ("silenced", second["made"] + 4 * 3600)


def test_the_audit_log_says_who_decided_whatever_the_query_says(
    served: Running, webhook: Webhook
) -> None:
    fields = links_in(webhook)["silenced"]
    answer = served.http.post(DECIDE_PATH, params={"dry_run": "true"}, data={**fields, **WRITTEN})
    assert answer.status_code == 200
    assert len(decisions(served)) == 1
    newest = served.get("audit")["entries"][0]
    assert {
        name: newest[name] for name in ("operation", "outcome", "author", "entity", "name")
    } == {
        "operation": "POST /decide",
        "outcome": "done",
        "author": "Ann (link in team)",
        "entity": ENTITY,
        "name": "1",
    }


def test_a_new_normal_by_link_closes_the_episode_and_the_other_links_say_so(
    served: Running, webhook: Webhook
) -> None:
    fields = links_in(webhook)
    assert post(served, fields["new_normal"]).status_code == 200
    (made,) = decisions(served)
    assert (made["kind"], made["summary"]) == ("new_normal", "input.amount")
    for method in ("GET", "POST"):
        answer = served.http.request(
            method, DECIDE_PATH, params=fields["silenced"], data={**fields["silenced"], **WRITTEN}
        )
        assert (answer.status_code, "This episode is closed" in answer.text) == (409, True)
    assert "was used before" in post(served, fields["new_normal"]).text
    assert len(decisions(served)) == 1


def test_forged_links_and_those_of_other_episodes_decide_nothing(
    served: Running, webhook: Webhook
) -> None:
    known = links_in(webhook)["silenced"]
    wrong = [
        {**known, "kind": "new_normal"},
        {**known, "kind": "unsilenced"},
        {**known, "entity": "other"},
        {**known, "episode": "99"},
        {**known, "episode": "9" * 19},
        {**known, "episode": "x"},
        {**known, "opened": str(int(known["opened"]) + 1)},
        {**known, "channel": "other"},
        {**known, "message": "another message"},
        {**known, "until": str(int(known["until"]) + 1)},
        {**known, "signature": "0" * 64},
        {**known, "signature": "ü"},
        {},
    ]
    for each in wrong:
        assert served.http.get(DECIDE_PATH, params=each).status_code == 404, each
        assert post(served, each).status_code == 404, each
    for content in (b"a=" + b"x" * 9000, b"a=1&" * 20):
        assert served.http.post(DECIDE_PATH, content=content).status_code == 404
    elsewhere = {"sec-fetch-site": "cross-site"}
    forged = served.http.post(DECIDE_PATH, data={**known, **WRITTEN}, headers=elsewhere)
    assert forged.status_code == 403
    for missing in ({"name": " "}, {"name": "n" * 65}, {"reason": ""}, {"hours": "2"}):
        assert post(served, known, **missing).status_code == 422, missing
    assert decisions(served) == []


def test_a_link_of_an_earlier_episode_with_the_same_id_is_not_valid(
    served: Running, webhook: Webhook, database: Path
) -> None:
    fields = links_in(webhook)["acknowledged"]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE episodes SET opened_ns = opened_ns + 1")
    assert post(served, fields).status_code == 404
    assert decisions(served) == []


def test_a_link_expires(served: Running, webhook: Webhook, clock: SteppedClock) -> None:
    fields = links_in(webhook)["acknowledged"]
    clock.step(LASTING_DAYS * DAY_SECONDS)
    assert served.http.get(DECIDE_PATH, params=fields).status_code == 200
    clock.step(DAY_SECONDS)
    for answer in (served.http.get(DECIDE_PATH, params=fields), post(served, fields)):
        assert (answer.status_code, "has expired" in answer.text) == (410, True)
    assert decisions(served) == []


def test_the_links_of_a_removed_channel_are_void(served: Running, webhook: Webhook) -> None:
    fields = links_in(webhook)["acknowledged"]
    served.http.delete("/api/v1/channels", params={"name": "team"}).raise_for_status()
    assert post(served, fields).status_code == 404
    assert decisions(served) == []


@pytest.mark.parametrize("settings", [{"public_url": ""}, {"decision_links": False}])
def test_without_a_public_url_or_when_switched_off_a_message_has_the_plain_link(
    database: Path, webhook: Webhook, settings: dict[str, object]
) -> None:
    with told(database, webhook, None, **settings):
        content = webhook.accepted[0].content
        assert content["decisions"] == []
        assert f"/#/entity/{ENTITY}/summary/input.amount" in content["link"]


def test_the_holder_of_a_link_needs_no_token_and_sees_nothing_else(
    database: Path, webhook: Webhook
) -> None:
    with told(database, webhook) as served:
        fields = links_in(webhook)["acknowledged"]
    with running(database, public_url=PUBLIC, principals=[PRINCIPAL]) as served:
        assert served.http.get(DECIDE_PATH, params=fields).status_code == 200
        assert served.http.get("/api/v1/episodes").status_code == 401
        sent = {**fields, **WRITTEN}
        assert served.http.post(DECIDE_PATH, data=sent).status_code == 403  # not from our page
        origin = {"origin": PUBLIC}
        assert served.http.post(DECIDE_PATH, data=sent, headers=origin).status_code == 200


def test_a_part_of_the_default_alerter_is_chosen_by_its_form(
    database: Path, webhook: Webhook
) -> None:
    with told(database, webhook):
        pass
    store = open_store(database, "slack")
    parts = [a_part("input.age"), a_part("input.size")]
    store.watching.save(ENTITY, a_step(0, episodes=[an_opening(1, *parts)]), START_NS)
    store.close()
    with running(database, webhook_allow=LOOPBACK, public_url=PUBLIC) as served:
        eventually(lambda: len(webhook.accepted) == 2)
        fields = links_in(webhook, 1)["new_normal"]
        shown = served.http.get(DECIDE_PATH, params=fields).text
        assert '<option value="input.age">' in shown
        assert '<option value="input.size">' in shown
        refused = post(served, fields, part="input.other")
        assert (refused.status_code, "must name a part" in refused.text) == (409, True)
        assert post(served, fields, part="input.size").status_code == 200
        (made,) = decisions(served, int(fields["episode"]))
        assert (made["summary"], made["pending"]) == ("input.size", True)


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed (Debian: chromium)")
def test_a_person_silences_an_episode_in_a_browser(database: Path, webhook: Webhook) -> None:
    with told(database, webhook) as served, sync_playwright() as playwright:
        fields = links_in(webhook)["silenced"]
        url = f"{served.collector.http_url}{DECIDE_PATH}?{httpx.QueryParams(fields)}"
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(url)
        page.get_by_role("heading", name=f"Silence: {ENTITY}").wait_for(timeout=10_000)
        page.get_by_label("Your name").fill("Ann")
        page.get_by_label("For").select_option("1 day")
        page.get_by_label("Reason").fill("a known sale")
        page.get_by_role("button", name="Silence").click()
        page.get_by_role("heading", name=f"Silenced: {ENTITY}").wait_for(timeout=10_000)
        page.get_by_text("Ann (link in team)").wait_for()
        (made,) = decisions(served)
        assert (made["author"], made["until"]) == (
            "Ann (link in team)",
            pytest.approx(made["made"] + DAY_SECONDS),
        )
        page.goto(url)
        page.get_by_role("heading", name="This link was used before").wait_for(timeout=10_000)
        assert [text for text in said if "Content Security Policy" in text] == []
        browser.close()
