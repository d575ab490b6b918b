import pytest

from nilometer.values.errors import ConfigError
from nilometer.values.request_rules import RequestRules, rules_of
from nilometer.values.root_path import below_root

GRPC = "application/grpc"
JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("rule", "method", "path", "content_type", "matches"),
    [
        ("/status", "GET", "/status", "", True),
        ("/status", "POST", "/status", JSON, True),
        ("/status", "GET", "/status/1", "", False),
        ("/status*", "GET", "/status/1/x", "", True),
        ("GET", "GET", "/any", "", True),
        ("GET", "POST", "/any", "", False),
        ("GET|HEAD /static/*", "HEAD", "/static/a/b.js", "", True),
        ("GET|HEAD /static/*", "POST", "/static/a/b.js", "", False),
        ("route=/items/{item_id}", "GET", "/items/7", "", True),
        ("route=/items/{item_id}", "GET", "/items/7/price", "", False),
        ("route=/files/{name:path}", "GET", "/files/a/b", "", True),
        ("route=/files/<path:name>", "GET", "/files/a/b", "", True),
        ("route=/items/<int:item_id>/price", "GET", "/items/7/price", "", True),
        ("route=/a.b/{x}", "GET", "/aXb/1", "", False),
        ("grpc=ray.serve.*", "POST", "/ray.serve.RayServeAPIService/Healthz", GRPC, True),
        ("grpc=ray.serve.*", "POST", "/ray.serve.RayServeAPIService/Healthz", JSON, False),
        ("grpc=shop.Scorer", "POST", "/shop.Scorer/Score", GRPC + "+proto", True),
        ("grpc=/shop.Scorer/Score", "POST", "/shop.Scorer/Score", GRPC, True),
        ("grpc=shop.Scorer/Score", "POST", "/shop.Scorer/Warm", GRPC, False),
        ("type=application/json", "POST", "/x", JSON, True),
        ("type=text/*", "POST", "/x", "TEXT/csv", True),
        ("type=text/*", "POST", "/x", "", False),
        ("POST /x type=text/*", "POST", "/x", "text/csv", True),
        ("POST /x type=text/*", "POST", "/y", "text/csv", False),
    ],
)
def test_a_rule_matches_if_all_its_words_do(
    rule: str, method: str, path: str, content_type: str, *, matches: bool
) -> None:
    found = RequestRules.of([rule]).match(method, path, content_type)
    assert found == (rule if matches else "")


def test_plain_paths_are_looked_up_and_other_rules_are_tried_in_order() -> None:
    rules = RequestRules.of(["/healthz", "GET /a*", "/a*"])
    assert rules.paths == {"/healthz"}
    assert rules.match("GET", "/ab", "") == "GET /a*"
    assert rules.match("POST", "/ab", "") == "/a*"
    assert not RequestRules.of([])


@pytest.mark.parametrize("rule", ["", "status", "get /x", "route=", "path=/x", "/x y"])
def test_a_text_that_is_no_rule_is_refused_with_what_a_rule_may_be(rule: str) -> None:
    with pytest.raises(ConfigError, match="exclude"):
        RequestRules.of([rule], "exclude")


def test_rules_of_another_version_do_not_cost_the_others() -> None:
    assert rules_of(("cookie=x", "/a")).match("GET", "/a", "") == "/a"


@pytest.mark.parametrize(
    ("path", "root", "below"),
    [
        ("/predict", "", "/predict"),
        ("/api/predict", "/api", "/predict"),
        ("/api/predict", "/api/", "/predict"),
        ("/api", "/api", "/"),
        ("/apis/predict", "/api", "/apis/predict"),
        ("/predict", "/api", "/predict"),
        ("/a/b/c", "/a/b", "/c"),
    ],
)
def test_a_path_below_a_root_path_is_without_it(path: str, root: str, below: str) -> None:
    assert below_root(path, root) == below
