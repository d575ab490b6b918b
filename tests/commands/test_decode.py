import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from nilometer.commands.cli import main
from nilometer.decode import custom

RECORDED = Path(__file__).parents[1] / "decode" / "recorded"


def decode(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main(["decode", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def entry(**response: Any) -> dict[str, Any]:
    return {
        "request": {
            "method": "POST",
            "url": "https://models.example/score?key=1",
            "headers": [{"name": "X-Request-Id", "value": "r-1"}],
            "postData": {"mimeType": "application/json", "text": '{"amount": 12.5}'},
        },
        "response": {"status": 200, "headers": [], "content": {}} | response,
    }


def har(path: Path, *entries: Any) -> Path:
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return path


def test_a_har_file_shows_columns_identity_and_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"mimeType": "application/json", "text": '{"score": 0.5}'}
    packed = {
        "mimeType": "text/csv",
        "text": base64.b64encode(b"a\n1\n").decode(),
        "encoding": "base64",
    }
    # A HAR holds the body as it was after its content encoding.
    headers = [{"name": "Content-Encoding", "value": "br"}]
    path = har(
        tmp_path / "x.har",
        entry(content=content, headers=headers),
        entry(content=packed),
        entry(status=503),
        entry(status=0),
    )
    report = decode(capsys, path)
    first, second, third, fourth = report["exchanges"]
    assert first["request"]["columns"] == {"amount": [12.5]}
    assert first["response"] == {"protocol": "json", "rows": 1, "columns": {"score": [0.5]}}
    assert (first["path"], first["prediction_id"], first["outcome"]) == ("/score", "r-1", "ok")
    assert second["response"]["columns"] == {"a": [1]}
    assert (third["outcome"], third["undecodable"]) == ("server_error", "failed_request")
    assert fourth["outcome"] == "no_response"
    assert report["undecodable"] == {"failed_request": 2}


def test_a_manifest_shows_every_server_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(decode(capsys, RECORDED / "manifest.json")["exchanges"]) == 121
    assert main(["decode", str(RECORDED / "triton_grpc" / "manifest.json")]) == 0
    printed = capsys.readouterr().out
    assert 'label    "setosa", "virginica"' in printed
    assert "id t-1" in printed
    assert printed.endswith("3 exchanges, 1 with columns, 1 failed_request, 1 not_inference\n")


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{}",
        '{"log": {}}',
        '{"log": {"entries": [{}]}}',
        '{"log": {"entries": 3}}',
        '{"exchanges": [{"request": {"method": "GET", "target": "/"}}]}',
        '{"exchanges": {"a": 1}}',
        '{"servers": [{"dir": "../.."}]}',
        "[" * 100_000,
    ],
)
def test_any_other_file_is_wrong_use(
    document: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    path.write_text(document)
    assert main(["decode", str(path)]) == 2
    assert capsys.readouterr().err.startswith("nilometer: ")
    assert main(["decode", str(tmp_path / "absent")]) == 2


def test_a_manifest_cannot_read_files_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    for name in ("../../secret", str(tmp_path / "secret"), "absent"):
        exchange = {
            "case": "x",
            "request": {"method": "POST", "target": "/", "headers": [], "body_file": name},
            "response": None,
        }
        (folder / "manifest.json").write_text(json.dumps({"exchanges": [exchange]}))
        assert main(["decode", str(folder / "manifest.json")]) == 2
        assert "secret" not in capsys.readouterr().out


def test_decoders_of_ones_own_can_be_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_decoders.py").write_text(
        "from nilometer.decode import decoder\n"
        "@decoder('application/json', path='/score')\n"
        "def mine(body, media_type):\n"
        "    return {'size': len(body)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(custom, "registered", [])
    path = har(tmp_path / "x.har", entry())
    report = decode(capsys, path, "--decoders", "my_decoders")
    assert report["exchanges"][0]["request"]["columns"] == {"size": [16]}
    sys.modules.pop("my_decoders")
    assert main(["decode", str(path), "--decoders", "no_such_module"]) == 2


def test_what_a_call_of_an_api_does_is_shown_and_a_rule_includes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [entry(content={"mimeType": "application/json", "text": '{"n": 1}'}) for _ in "12"]
    for one, body in zip(entries, ('{"prompt": "hello"}', '{"amount": 3.5}'), strict=True):
        one["request"] |= {"method": "POST", "url": "https://models.example/tokenize"}
        one["request"]["postData"] = {"mimeType": "application/json", "text": body}
    file = har(tmp_path / "a.har", *entries)
    assert main(["decode", str(file)]) == 0
    called, rows = (one for one in capsys.readouterr().out.splitlines() if "/tokenize" in one)
    assert called.endswith("not_inference  (turns text into tokens)")
    assert "not_inference" not in rows
    told = decode(capsys, file)["exchanges"]
    assert [one.get("manages") for one in told] == ["turns text into tokens", None]
    assert main(["decode", str(file), "--include", "/tokenize"]) == 0
    assert "not_inference" not in capsys.readouterr().out


def test_rules_and_what_requests_say_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"mimeType": "application/json", "text": '{"risk": 0.5}'}
    entries = [entry(content=content) for _ in range(4)]
    for one, (method, path) in zip(
        entries,
        [
            ("POST", "/v1/models/credit/versions/2:predict"),
            ("GET", "/score/7"),
            ("GET", "/status"),
            ("GET", "/healthz"),
        ],
        strict=True,
    ):
        one["request"] |= {"method": method, "url": f"https://models.example{path}"}
        if method == "GET":
            del one["request"]["postData"]
    file = har(tmp_path / "a.har", *entries)

    def shown(*arguments: str) -> list[str]:
        assert main(["decode", str(file), *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    lines = shown("--include", "GET route=/score/{customer}", "--exclude", "/status")
    heads = [line.split("  ", 1)[1] for line in lines[:-1] if not line.startswith(" ")]
    assert heads == [
        "POST  /v1/models/credit/versions/2:predict  200  ok",
        "GET  /score/7  200  ok  (GET route=/score/{customer})",
        "GET  /status  200  ok  excluded  (/status)",
        "GET  /healthz  200  ok  not_inference",
    ]
    assert "    model credit 2" in lines
    assert lines[-1] == "4 exchanges, 2 with columns, 1 excluded, 1 not_inference"
    monkeypatch.setenv("NILOMETER_INCLUDE", "GET /score/*")
    assert shown()[-1] == "4 exchanges, 2 with columns, 1 excluded, 1 not_inference"
    told = decode(capsys, file)["exchanges"]
    assert told[1]["included_by"] == "GET /score/*"
    assert told[3]["excluded_by"] == "/healthz"
    assert main(["decode", str(file), "--include", "no rule"]) != 0
    assert "include = 'no rule'" in capsys.readouterr().err
