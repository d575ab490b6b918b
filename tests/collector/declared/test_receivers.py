"""Declared channels and targets: their secrets are stored once, and shown nowhere."""

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from nilometer.commands.cli import main
from nilometer_collector.testing import Running

URL = "https://hooks.example/s3cret"
KEY = "a-s3cret-signing-key"


def a_channel(**changes: Any) -> dict[str, Any]:
    secrets = {"url": URL, "signing_key": KEY}
    return {"name": "team", "kind": "webhook", "secrets": secrets, **changes}


def apply(served: Running, channel: dict[str, Any], **asked: str) -> httpx.Response:
    document = {"version": 1, "channels": [channel]}
    return served.http.post("/api/v1/apply", json=document, params=asked)


def test_a_secret_is_stored_once_and_shown_nowhere(
    served: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [apply(served, a_channel(), dry_run="true"), apply(served, a_channel())]
    again = apply(served, a_channel()).json()
    assert (again["changes"], again["unchanged"]) == ([], 1)
    with sqlite3.connect(served.collector.settings.database_path) as database:
        ((stored,),) = database.execute("SELECT payload FROM channels")
    database.close()
    assert json.loads(stored)["secrets"] == {"url": URL, "signing_key": KEY}
    answers += [served.http.get(f"/api/v1/{path}") for path in ("objects", "changes", "channels")]
    told = "".join(one.raise_for_status().text for one in answers)
    assert "s3cret" not in told + caplog.text
    (shown,) = served.get("objects")["objects"]
    assert apply(served, shown["definition"]).json()["unchanged"] == 1  # by their fingerprints


def test_a_changed_secret_is_a_change_of_its_fingerprint(served: Running) -> None:
    apply(served, a_channel()).raise_for_status()
    secrets = {"url": URL, "signing_key": f"{KEY}-2"}
    (change,) = apply(served, a_channel(secrets=secrets)).json()["changes"]
    (field,) = change["fields"]
    assert field["field"] == "secrets.signing_key.fingerprint"
    assert field["before"] != field["after"]
    gone = served.http.post("/api/v1/rollback", json={"revision": 1})
    assert (gone.status_code, "this secret is not stored" in gone.text) == (409, True)
    served.http.post("/api/v1/rollback", json={"revision": 0}).raise_for_status()
    assert served.get("channels") == {"channels": []}


def test_a_stored_secret_is_not_sent_to_another_address(served: Running) -> None:
    apply(served, a_channel()).raise_for_status()
    (shown,) = served.get("objects")["objects"]
    secrets = {**shown["definition"]["secrets"], "url": "https://elsewhere.example/"}
    refused = apply(served, a_channel(secrets=secrets))
    assert (refused.status_code, refused.json()["field"]) == (
        422,
        "channels[0].secrets",
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "slak"}, "channels[0].kind"),
        ({"name": "<b>"}, "channels[0].name"),
        ({"secrets": {}}, "channels[0].secrets"),
        ({"secrets": {"url": "https://10.0.0.1/s3cret"}}, "channels[0].secrets.url"),
        ({"secrets": {"url": URL, "signing_key": "s3cret"}}, "channels[0].secrets.signing_key"),
        ({"secrets": {"url": {"fingerprint": "0" * 16}}}, "channels[0].secrets.url"),
        ({"settings": {"content_type": "a/b"}}, "channels[0].settings.content_type"),
        ({"settings": {"content_type": "\0"}}, "channels[0].settings.content_type"),
    ],
)
def test_a_wrong_channel_names_its_place_and_not_its_secret(
    served: Running, changes: dict[str, Any], field: str
) -> None:
    answer = apply(served, a_channel(**changes))
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "s3cret" not in answer.text
    assert served.get("channels") == {"channels": []}


def test_nobody_but_the_operator_switches_the_check_of_addresses_off(served: Running) -> None:
    inside = {
        "kind": "apprise",
        "settings": {"guard": "off"},
        "secrets": {"url": "json://10.0.0.1"},
    }
    applied = apply(served, {"name": "team", **inside})
    put = served.http.put("/api/v1/channels", json={"name": "team", **inside})
    for answer, code, place in (
        (applied, 422, "channels[0].settings.guard"),
        (put, 409, "settings.guard"),
    ):
        assert (answer.status_code, answer.json()["field"]) == (code, place)
        assert "in the collector's own settings file" in answer.text
    assert served.get("channels") == {"channels": []}


def test_a_target_may_only_name_a_function_that_the_settings_allow(served: Running) -> None:
    target = {"name": "ci", "kind": "python", "settings": {"entry_point": "os:abort"}}
    answer = served.http.post("/api/v1/apply", json={"version": 1, "targets": [target]})
    assert answer.json()["field"] == "targets[0].settings.entry_point"
    assert served.get("targets") == {"targets": []}


def test_changes_over_http_are_recorded_too(served: Running) -> None:
    served.http.put("/api/v1/channels", json=a_channel()).raise_for_status()
    served.http.delete("/api/v1/channels", params={"name": "team"}).raise_for_status()
    made = [one["changes"][0]["action"] for one in served.get("changes")["revisions"]]
    assert made == ["removed", "created"]


def test_a_route_may_name_a_channel_of_the_same_document(served: Running) -> None:
    document = {
        "version": 1,
        "channels": [a_channel()],
        "routes": [{"name": "all", "channels": ["team"]}],
    }
    answer = served.http.post("/api/v1/apply", json=document).raise_for_status().json()
    assert answer["warnings"] == []


FILE = """version: 1
channels:
  - name: team
    kind: webhook
    secrets:
      url: {env: TEAM_URL}
      signing_key: %s
"""


def test_the_command_reads_secrets_of_files_and_variables(
    served: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEAM_URL", URL)
    file = tmp_path / "channels.yaml"
    (tmp_path / "key").write_text(f"{KEY}\n")

    def told(signing_key: str) -> str:
        file.write_text(FILE % signing_key)
        main(["apply", "-f", str(file), "--collector", served.collector.http_url])
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert told("{file: key}").endswith("revision 1: 1 created\n")
    assert told("{file: key}") == "nothing to change: 1 unchanged\n"
    for wrong, reason in (
        ("{file: no-key}", "cannot be read: No such file or directory"),
        ("{env: NO_KEY}", "the environment has no variable 'NO_KEY'"),
        ("{env: 'https://x.example/a-s3cret'}", "must be the name of an environment variable"),
        ("{env: a-s3cret}", "must be the name of an environment variable"),
        ("{file: 'https://x.example/a-s3cret'}", "must be the path of a file, not a URL"),
        ("a-s3cret", "do not write a secret into this file"),
        ("{text: a-s3cret}", "must be {file: PATH}, {env: VARIABLE} or {fingerprint: TEXT}"),
    ):
        answer = told(wrong)
        assert answer.startswith(f"nilometer: {file}:7: channels[0].secrets.signing_key: ")
        assert reason in answer
        assert "s3cret" not in answer


def test_no_answer_says_whether_a_secret_was_guessed(served: Running) -> None:
    apply(served, a_channel()).raise_for_status()
    (shown,) = served.get("objects")["objects"]
    signed = shown["definition"]["secrets"]["signing_key"]

    def answers(url: str, key: str) -> list[tuple[int, bytes]]:
        both, one = {"url": url, "signing_key": key}, {"url": url, "signing_key": signed}
        sent = {"url": url, "signing_key": "..."}
        given = [
            apply(served, a_channel(secrets=both), dry_run="true"),
            apply(served, a_channel(secrets=one), dry_run="true"),
            apply(served, a_channel(secrets=one)),
            served.http.put("/api/v1/channels", json=a_channel(secrets=sent)),
        ]
        return [(one.status_code, one.content) for one in given]

    right = answers(URL, KEY)
    assert answers("https://hooks.example/guess", f"{KEY}-guess") == right
    dry = json.loads(right[0][1])
    assert (dry["changes"], dry["unchanged"]) == ([], 1)
    assert [one["sentence"] for one in dry["warnings"]] == [
        f"secrets.{name}: a dry run does not compare this secret with the stored one"
        for name in ("url", "signing_key")
    ]
    served.http.delete("/api/v1/channels", params={"name": "team"}).raise_for_status()
    removed = apply(served, a_channel(), dry_run="true").json()
    assert signed["fingerprint"] not in json.dumps(removed)


def test_an_error_names_its_key_once(served: Running) -> None:
    wrong = a_channel(secrets={"url": URL, "signing_key": "short"})
    told = apply(served, wrong).json()["detail"]
    assert told.count("signing_key") == 1, told
    put = served.http.put("/api/v1/channels", json=wrong)
    assert (put.status_code, put.json()["field"]) == (409, "secrets.signing_key")
