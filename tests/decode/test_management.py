"""Calls that prepare or manage something are told by path and body; other bodies are predictions."""

import json
from typing import Any

import pytest

from nilometer.decode import Side, decode_exchange
from nilometer.decode.management import managed, may_manage
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

JSON = "application/json"
TURNS = [{"role": "user", "content": "hello"}]
# Bodies as the API references show them.
CALLS: list[tuple[str, Any]] = [
    ("/tokenize", {"model": "m", "prompt": "hello", "add_special_tokens": True}),
    ("/tokenize", {"model": "m", "messages": TURNS, "add_generation_prompt": True}),
    ("/tokenize", {"content": "hello", "with_pieces": True}),
    ("/tokenize", {"inputs": ["hello", "you"]}),
    ("/v1/tokenize", {"text": "hello", "model": "command"}),
    ("/chat_tokenize", {"model": "m", "messages": TURNS}),
    ("/detokenize/", {"model": "m", "tokens": [1, 2, 3]}),
    ("/detokenize", {"tokens": [[1, 2], [3]]}),
    ("/v1/messages/count_tokens", {"model": "m", "messages": TURNS}),
    ("/v1beta/models/g:countTokens", {"contents": [{"parts": [{"text": "hello"}]}]}),
    ("/v1/responses/input_tokens", {"model": "m", "input": "hello"}),
    ("/apply-template", {"messages": TURNS}),
    ("/api/pull", {"model": "llama", "stream": False}),
    ("/api/show", {"name": "llama", "verbose": True}),
    ("/api/create", {"model": "mine", "from": "llama", "system": "You are kind."}),
    ("/api/create", {"model": "m", "from": "x", "renderer": "q", "parser": "z"}),
    ("/api/create", {"name": "m", "files": {"a": "sha256:x"}, "remote_host": "h"}),
    ("/api/copy", {"source": "llama", "destination": "mine"}),
    ("/v1/load_lora_adapter", {"lora_name": "sql", "lora_path": "/adapters/sql"}),
    ("/lora-adapters", [{"id": 0, "scale": 0.5}]),
    ("/v1/uploads", {"purpose": "batch", "filename": "a.jsonl", "bytes": 9, "mime_type": "x"}),
    ("/v1/uploads/u1/complete", {"part_ids": ["p1", "p2"]}),
    ("/v1/batches", {"input_file_id": "f", "endpoint": "/v1/x", "completion_window": "24h"}),
    ("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": {}}]}),
    ("/v1/fine_tuning/jobs", {"model": "m", "training_file": "f"}),
    ("/v1/vector_stores", {"name": "store", "file_ids": ["f"]}),
    ("/v1/vector_stores", {}),
    ("/v1/vector_stores/v1/search", {"query": "refund", "max_num_results": 3}),
    ("/v1/containers", {"name": "c", "expires_after": {"minutes": 20}}),
    ("/models/load", {"model": "llama"}),
    ("/model/new", {"model_name": "m", "litellm_params": {"model": "openai/m"}}),
    ("/model/delete", {"id": "m1"}),
    ("/model/new", {"model_name": "m", "litellm_params": {"model": "x"}, "team_id": "t"}),
    ("/models/load", {"model": "llama", "extra_args": ["-c", "4096"]}),
    ("/team/member_add", {"team_id": "t", "member": {"role": "user", "user_id": "u"}}),
    ("/pause_generation", {"mode": "abort"}),
    ("/start_profile", {"output_dir": None, "num_steps": None}),
    ("/key/generate", {"models": ["m"], "duration": "20m", "max_budget": 3.5}),
    ("/key/delete", {"keys": ["sk-1"]}),
    ("/key/block", {"key": "0123456789abcdef" * 4}),
    ("/key/update", {"key": "sk-1", "tags": ["a"], "temp_budget_increase": 5}),
    ("/user/update", {"user_id": "u1", "user_role": "internal_user"}),
    ("/user/update", {"user_id": "u1", "max_budget": 3.5}),
    ("/organization/new", {"organization_alias": "o", "models": ["m"]}),
    ("/budget/new", {"budget_id": "b", "max_budget": 3.5}),
    ("/user/new", {"user_email": "a@example.com", "max_budget": 3}),
    ("/team/update/", {"team_alias": "core", "models": ["m"]}),
    (
        "/api/v1.0/feedback",
        {"request": {"data": {"ndarray": [[1]]}}, "response": {}, "reward": 1.0},
    ),
    ("/predictions/p1/cancel", {}),
    ("/abort_request", {"rid": "r1", "abort_all": False}),
    ("/open_session", {"capacity_of_str_len": 1000}),
    ("/close_session", {"session_id": "s1"}),
    ("/slots/0", {"filename": "cache.bin"}),
    ("/sleep", {"tags": ["weights"]}),
    ("/update_weights_from_disk", {"model_path": "/models/m", "flush_cache": True}),
    ("/collective_rpc", {"method": "reset", "args": [1]}),
    ("/scale_elastic_ep", {"new_data_parallel_size": 2}),
    ("/start_profile", {"num_steps": 5, "activities": ["CPU"]}),
]
# Bodies of models of users, on the same paths.
ROWS: list[tuple[str, Any]] = [
    ("/tokenize", {"amount": 3.5, "country": "de"}),
    ("/tokenize", [{"amount": 3.5}, {"amount": 1}]),
    ("/tokenize", {"inputs": [[5.1, 3.5], [4.9, 3.0]]}),
    ("/tokenize", {"text": "hello", "amount": 3, "country": "de"}),
    ("/tokenize", {"inputs": ["hello"], "amount": [3]}),
    ("/chat_tokenize", {"messages": TURNS, "amount": 3}),
    ("/detokenize", {"tokens": [0.5, 0.25]}),
    ("/detokenize", {"tokens": [1, 2], "amount": 3}),
    ("/v1/messages/count_tokens", {"messages": TURNS, "amount": 3}),
    ("/v1beta/models/g:countTokens", {"contents": [{"parts": []}], "amount": 3}),
    ("/v1/responses/input_tokens", {"input": "hello", "amount": 3}),
    ("/apply-template", {"instances": [{"x": 1}]}),
    ("/api/show", {"name": "A-1", "price": 3.5}),
    ("/api/pull", {"force": 3.5}),
    ("/api/create", {"name": "A-1", "amount": 3.5}),
    ("/api/create", {"name": "A-1", "files": 3, "amount": 3.5}),
    ("/v1/files", {"rows": [{"x": 1}]}),
    ("/v1/batches", {"records": [{"x": 1}, {"x": 2}]}),
    ("/v1/batches/b1/cancel", {"days_left": 3}),
    ("/v1/fine_tuning/jobs", {"instances": [[1.5, 2.5]]}),
    ("/v1/vector_stores", {"name": "north", "area": 120.5}),
    ("/v1/containers", {"weight": 3.5, "port": "HAM"}),
    ("/lora-adapters", [{"id": 0, "scale": 0.5, "rank": 8}]),
    ("/v1/load_lora_adapter", {"load": 0.5}),
    ("/models/load", {"model": "crane", "load": 12.5}),
    ("/models", {"url": "https://example.com"}),
    ("/team/member_add", {"team_id": "t", "goals": 3}),
    ("/pause_generation", {"mode": "wind", "speed": 3.5}),
    ("/start_profile", {"num_steps": None, "pulse": None}),
    ("/model/new", {"id": "A-1", "price": 3.5}),
    ("/key/update", {"pitch": 3, "tempo": 120}),
    ("/key/update", {"key": "Am", "tempo": 120}),
    ("/key/update", {"key": "Am"}),
    ("/key/generate", {"duration": "long", "pitch": 3}),
    ("/user/new", {"user_email": "a@example.com", "age": 31, "income": 3.2}),
    ("/user/update", {"user_id": "7", "user_role": "nurse", "hours": 60}),
    ("/user/update", {"user_id": "7", "user_role": "nurse"}),
    ("/user/update", {"user_id": "7", "user_role": "customer"}),
    ("/team/new", {"team_alias": "Lions", "wins": 3}),
    ("/organization/update", {"organization_alias": "o", "staff": 40}),
    ("/budget/update", {"budget_id": "b7", "spend": 3.2, "clicks": 9}),
    ("/user/new", {"user_id": "u1", "age": 30}),
    ("/team/new", {"team_ids": [3, 4]}),
    ("/send-feedback", {"reward": "high", "stars": 3}),
    ("/api/v1/feedback", {"response": {"text": "fine"}, "stars": 3}),
    ("/predictions/p1/cancel", {"days_left": 3}),
    ("/abort_request", {"rid": "r1", "amount": 3}),
    ("/api/v1/feedback", {"response": {"text": "bad"}}),
    ("/slots/3", {"filename": "a", "width": 3}),
    ("/sleep", {"hours": 6.5, "age": 30}),
    ("/sleep", {"tags": ["snoring", "late"]}),
    ("/scale_elastic_ep", {"new_data_parallel_size": True}),
    ("/start_profile", {"num_steps": 9000, "pulse": 71}),
]


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_a_call_of_an_api_is_no_prediction(path: str, body: Any) -> None:
    assert managed("POST", path, raw(body), JSON)
    with pytest.raises(Undecodable, match="not_inference"):
        decode_exchange(raw(body), JSON, "", Role.INPUT, Side(), method="POST", path=path)
    included = Side()
    decode_exchange(
        *(raw(body), JSON, "", Role.INPUT, included), method="POST", path=path, is_included=True
    )
    assert included.rows


@pytest.mark.parametrize(("path", "body"), ROWS)
def test_rows_on_such_a_path_are_a_prediction(path: str, body: Any) -> None:
    assert may_manage("POST", path)
    side = Side()
    decode_exchange(raw(body), JSON, "", Role.INPUT, side, method="POST", path=path)
    assert side.rows


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/files", "purpose=fine-tune&limit=20"),
        ("/v1/batches", "limit=20"),
        ("/v1/vector_stores/v1/files", "limit=20&order=desc&filter=completed"),
        ("/v1/messages/batches/", "after_id=b1&limit=20"),
    ],
)
def test_a_list_of_an_api_is_told_by_its_query(path: str, query: str) -> None:
    assert managed("GET", path, b"", "", query) == "lists what is stored"
    with pytest.raises(Undecodable, match="not_inference"):
        decode_exchange(*(b"", "", "", Role.INPUT, Side()), method="GET", path=path, query=query)
    side = Side()
    own = f"{query}&amount=3"
    decode_exchange(*(b"", "", "", Role.INPUT, side), method="GET", path=path, query=own)
    assert side.rows


def test_a_list_of_models_is_told_by_its_query() -> None:
    assert managed("GET", "/models/m/1.0", b"", "", "customized=true") == "manages models"
    assert managed("GET", "/models", b"", "", "limit=5&next_page_token=2") == "manages models"
    assert not managed("GET", "/models", b"", "", "customized=true")
    for query in ("age=30", "limit=5000", "customized=deep", "customized=true&age=30"):
        assert not managed("GET", "/models/churn", b"", "", query)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/models", "url=x.mar&initial_workers=1"),
        ("PUT", "/models/m/2.0", "min_worker=3&synchronous=true"),
        ("GET", "/key/info", "key=sk-1"),
        ("GET", "/key/list", "page=1&size=10"),
        ("GET", "/user/info", "user_id=u1"),
        ("GET", "/team/list", "user_id=u1"),
        ("GET", "/spend/logs", "start_date=2025-01-01&end_date=2025-02-01"),
        ("GET", "/v1/model/info", "litellm_model_id=1"),
        ("GET", "/health/services", "service=slack"),
    ],
)
def test_a_query_tells_a_call_without_a_body(method: str, path: str, query: str) -> None:
    assert managed(method, path, b"", "", query)
    with pytest.raises(Undecodable, match="not_inference"):
        decode_exchange(*(b"", "", "", Role.INPUT, Side()), method=method, path=path, query=query)
    for own in (f"{query}&amount=3", "amount=3"):
        side = Side()
        decode_exchange(*(b"", "", "", Role.INPUT, side), method=method, path=path, query=own)
        assert side.rows


def test_a_model_is_deleted_with_a_body() -> None:
    assert managed("DELETE", "/api/delete", raw({"model": "llama"}), JSON) == "manages models"
    assert not managed("DELETE", "/api/delete", raw({"model": "A-1", "amount": 3}), JSON)
    assert not managed("POST", "/api/delete", raw({"model": "llama"}), JSON)


def test_an_uploaded_file_is_told_by_the_parts_of_its_form() -> None:
    def form(name: str) -> bytes:
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"'
        return f"{head}\r\n\r\nbatch\r\n--x--\r\n".encode()

    media = "multipart/form-data; boundary=x"
    assert managed("POST", "/v1/files", form("purpose"), media) == "uploads a file"
    assert not managed("POST", "/v1/files", form("amount"), media)
    assert not managed("POST", "/v1/files", b"--x", media)
    assert managed("POST", "/v1/uploads/u/parts", form("data"), media)


def test_a_body_that_is_not_known_is_taken_for_a_call() -> None:
    for path in ("/tokenize", "/lora-adapters"):
        assert managed("POST", path, None, JSON)
        assert managed("POST", path, b"", JSON)
        assert not managed("POST", path, b"{", JSON)


def test_tokens_are_nested_in_one_list_at_most() -> None:
    depth = 100_000  # more than Python's own limit of recursion
    deep = b'{"tokens": ' + b"[" * depth + b"1" + b"]" * depth + b"}"
    assert not managed("POST", "/detokenize", deep, JSON)
    assert not managed("POST", "/detokenize", raw({"tokens": [[[1]]]}), JSON)
    assert managed("POST", "/detokenize", raw({"tokens": [[1], []]}), JSON)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tokenize"),
        ("POST", "/v1/files/f1/score"),
        ("POST", "/v1/batches/score"),
        ("POST", "/files"),
        ("POST", "/v2/tokenize"),
        ("POST", "/api/tokenize"),
    ],
)
def test_other_paths_are_not_looked_at(method: str, path: str) -> None:
    assert not may_manage(method, path)
    assert not managed(method, path, raw({"prompt": "hello"}), JSON)
