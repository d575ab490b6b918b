"""What each kind of target is sent, and what its response means."""

import base64
import hashlib
import hmac
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from support.acting import an_action, declare, step
from support.shipping import Agents

from nilometer.receive import Receiver
from nilometer.testing import SteppedClock, eventually
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.actions.actor import Actor
from nilometer_collector.actions.targets import Targets
from nilometer_collector.alerting.action_runs import Run
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.channels.posting import Answer, Outcome, Request
from nilometer_collector.processes import Processes
from nilometer_collector.store import Store
from nilometer_collector.testing import ENTITY, START_NS

PAGES = "https://nilometer.example"
KEY = "canary-signing-key"
TOKEN = "canary-token"
SETTINGS: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "webhook": ({}, {"url": "https://ci.example/hook", "signing_key": KEY}),
    "github": ({"repository": "acme/models"}, {"token": TOKEN}),
    "gitlab": ({"project": "acme/models", "ref": "v1"}, {"token": TOKEN}),
    "jenkins": (
        {"url": "https://jenkins.example/", "job": "models/re train", "user": "nilometer"},
        {"token": TOKEN},
    ),
    "argo_workflows": (
        {"url": "https://argo.example", "namespace": "ml", "workflow_template": "retrain"},
        {"token": TOKEN},
    ),
    "argo_events": ({}, {"url": "https://events.example/x", "signing_key": KEY, "token": TOKEN}),
    "kserve": (
        {"namespace": "ml", "inference_service": "fraud"},
        {"url": "https://runner.example", "signing_key": KEY},
    ),
}


class Answers:
    """Records requests, and gives the next answer."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[tuple[Request, str]] = []
        self._answers = list(answers)

    def __call__(self, request: Request, key: str) -> Answer:
        self.requests.append((request, key))
        return self._answers.pop(0) if self._answers else Answer(outcome=Outcome.DELIVERED)


def sent(store: Store, kind: str, answers: Answers) -> Run:
    """Send the action of a new episode to a target of *kind*; return its run."""
    settings, secrets = SETTINGS[kind]
    target = TargetDefinition(name="ci", kind=kind, settings=dict(settings), secrets=dict(secrets))
    store.targets.put(target, "api", START_NS, 10)
    declare(store, an_action(parameters={"branch": "main"}))
    Agents(store).say("pod-1", 0.5, 1)
    targets = Targets(allowed=Allowed(), page_url=lambda: PAGES, post=answers)
    Actor(store, targets, SteppedClock(), lambda: None).step()
    return store.actions.runs()[0]


def first(store: Store, kind: str) -> tuple[Run, Request, str]:
    answers = Answers()
    run = sent(store, kind, answers)
    assert run.state.value == "accepted"
    ((request, key),) = answers.requests
    assert key == run.key
    return run, request, request.destination.url.reveal()


def test_a_webhook_is_signed_as_the_receiving_library_expects(store: Store, tmp_path: Path) -> None:
    run, request, url = first(store, "webhook")
    assert url == "https://ci.example/hook"
    order = Receiver(KEY, tmp_path / "seen", SteppedClock()).accept(request.headers, request.body)
    assert order.key == run.key
    assert order.content["entity"] == ENTITY
    assert order.content["episode"]["summary"] == "input.amount"
    assert order.content["link"].startswith(PAGES)


def test_github_gets_a_repository_dispatch(store: Store) -> None:
    run, request, url = first(store, "github")
    assert url == "https://api.github.com/repos/acme/models/dispatches"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    event = json.loads(request.body)
    assert set(event) == {"event_type", "client_payload"}
    assert event["event_type"] == "nilometer"
    assert len(event["client_payload"]) <= 10
    assert event["client_payload"]["key"] == run.key
    assert event["client_payload"]["parameters"] == {"branch": "main"}


def test_gitlab_gets_a_pipeline_trigger(store: Store) -> None:
    run, request, url = first(store, "gitlab")
    assert url == "https://gitlab.com/api/v4/projects/acme%2Fmodels/trigger/pipeline"
    fields = parse_qs(request.body.decode())
    assert (fields["token"], fields["ref"]) == ([TOKEN], ["v1"])
    assert fields["variables[NILOMETER_KEY]"] == [run.key]
    assert fields["variables[branch]"] == ["main"]


def test_jenkins_gets_a_build_with_parameters(store: Store) -> None:
    run, request, url = first(store, "jenkins")
    assert url == "https://jenkins.example/job/models/job/re%20train/buildWithParameters"
    pair = base64.b64encode(f"nilometer:{TOKEN}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {pair}"
    fields = parse_qs(request.body.decode())
    assert (fields["NILOMETER_KEY"], fields["branch"]) == ([run.key], ["main"])


def test_argo_workflows_gets_a_name_that_only_one_workflow_can_have(store: Store) -> None:
    answers = Answers(Answer(outcome=Outcome.FAILED, reason="status 409", status=409))
    run = sent(store, "argo_workflows", answers)
    assert run.state.value == "accepted"  # 409: it was submitted before
    ((request, _),) = answers.requests
    assert request.destination.url.reveal() == "https://argo.example/api/v1/workflows/ml/submit"
    submitted = json.loads(request.body)
    assert (submitted["resourceKind"], submitted["resourceName"]) == ("WorkflowTemplate", "retrain")
    options = submitted["submitOptions"]
    assert options["name"] == f"nilometer-{run.key}"
    assert f"key={run.key}" in options["parameters"]
    assert "branch=main" in options["parameters"]


def test_argo_events_and_kserve_get_signed_orders(store: Store) -> None:
    run, request, _ = first(store, "argo_events")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    said = request.headers["nilometer-timestamp"].encode() + b"." + request.body
    digest = hmac.new(KEY.encode(), said, hashlib.sha256).hexdigest()
    assert request.headers["nilometer-signature"] == f"v1={digest}"
    assert json.loads(request.body)["key"] == run.key


def test_the_runner_of_kserve_is_told_the_service(store: Store) -> None:
    _, request, _ = first(store, "kserve")
    place = {"namespace": "ml", "inference_service": "fraud"}
    assert json.loads(request.body)["kserve"] == place


@pytest.mark.parametrize("status", [302, 401, 403, 404, 410])
def test_a_target_that_is_gone_fails_at_once(store: Store, status: int) -> None:
    reason = f"status {status}"
    run = sent(
        store, "github", Answers(Answer(outcome=Outcome.FAILED, reason=reason, status=status))
    )
    assert (run.state.value, run.turns[-1].reason) == ("failed", f"the target refused it: {reason}")


def test_a_forbidden_address_is_refused_when_it_is_used(store: Store) -> None:
    answers = Answers()
    forbidden = {"url": "https://169.254.169.254/canary", "signing_key": KEY}
    target = TargetDefinition(name="ci", kind="webhook", secrets=forbidden)
    store.targets.put(target, "api", START_NS, 10)
    declare(store, an_action())
    Agents(store).say("pod-1", 0.5, 1)
    targets = Targets(allowed=Allowed(), page_url=lambda: PAGES, post=answers)
    Actor(store, targets, SteppedClock(), lambda: None).step()
    (run,) = store.actions.runs()
    assert (run.state.value, answers.requests) == ("failed", [])
    assert "169.254.169.254" in run.turns[-1].reason
    assert "canary" not in run.turns[-1].reason


@pytest.mark.parametrize("kind", ["github", "gitlab", "jenkins", "webhook"])
def test_an_order_that_may_have_arrived_is_sent_again_only_to_targets_that_know_keys(
    store: Store, kind: str
) -> None:
    lost = Answer(outcome=Outcome.FAILED, reason="status 504", may_have_arrived=True)
    answers = Answers(lost, lost)
    run = sent(store, kind, answers)
    targets = Targets(allowed=Allowed(), page_url=lambda: PAGES, post=answers)
    clock = SteppedClock()
    clock.step(120)
    Actor(store, targets, clock, lambda: None).step()
    knows_keys = kind == "webhook"
    assert len(answers.requests) == 1 + knows_keys
    assert run.state.value == ("sent" if knows_keys else "cannot_tell")
    assert knows_keys or "by hand" in run.turns[-1].reason


@pytest.mark.parametrize("kind", ["github", "webhook"])
def test_an_order_of_a_killed_collector_is_sent_again_only_to_targets_that_know_keys(
    store: Store, kind: str
) -> None:
    settings, secrets = SETTINGS[kind]
    target = TargetDefinition(name="ci", kind=kind, settings=dict(settings), secrets=dict(secrets))
    store.targets.put(target, "api", START_NS, 10)
    declare(store, an_action())
    Agents(store).say("pod-1", 0.5, 1)
    step(store)
    clock, answers = SteppedClock(), Answers()
    assert store.actions.take(clock.now_ns()) is not None  # and the collector ends
    clock.step(120)
    targets = Targets(allowed=Allowed(), page_url=lambda: PAGES, post=answers)
    Actor(store, targets, clock, lambda: None).step()
    (run,) = store.actions.runs()
    knows_keys = kind == "webhook"
    assert (len(answers.requests), run.state.value) == (
        (1, "accepted") if knows_keys else (0, "cannot_tell")
    )


@pytest.mark.parametrize(
    ("named", "state", "failure"),
    [
        ("platform:node", "sending", "the function raised TypeError"),
        ("builtins:print", "accepted", ""),
        ("platform:nothing", "failed", "the function does not exist"),
    ],
)
def test_a_function_runs_in_a_process_of_its_own(
    store: Store, named: str, state: str, failure: str
) -> None:
    target = TargetDefinition(name="ci", kind="python", settings={"entry_point": named})
    store.targets.put(target, "api", START_NS, 10)
    declare(store, an_action())
    Agents(store).say("pod-1", 0.5, 1)
    assert step(store) == 0
    targets = Targets(allowed=Allowed(), page_url=lambda: PAGES, functions=(named,))
    Actor(store, targets, SteppedClock(), lambda: None, backoff_seconds=(60.0, 60.0)).step()
    (run,) = store.actions.runs()
    assert (run.state.value, run.last_failure) == (state, failure)


def test_a_function_that_the_settings_do_not_list_is_never_called(store: Store) -> None:
    target = TargetDefinition(name="ci", kind="python", settings={"entry_point": "os:abort"})
    store.targets.put(target, "api", START_NS, 10)
    declare(store, an_action())
    Agents(store).say("pod-1", 0.5, 1)
    targets = Targets(allowed=Allowed(), page_url=lambda: PAGES, functions=("a:b",))
    Actor(store, targets, SteppedClock(), lambda: None).step()
    (run,) = store.actions.runs()
    assert run.state.value == "failed"
    assert "functions_allow" in run.turns[-1].reason


def test_a_job_that_a_function_starts_goes_on_and_holds_up_nothing() -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    command = [sys.executable, "-c", script]
    kept = Processes().run(command, b"", dict(os.environ), 20.0, keeps_jobs=True)
    assert kept.code == 0
    job = int(kept.output)
    os.kill(job, signal.SIGKILL)  # raises ProcessLookupError if it is gone
    ended = Processes().run(command, b"", dict(os.environ), 20.0)
    assert ended.code == 0
    command_line = Path(f"/proc/{int(ended.output)}/cmdline")  # empty for a zombie
    eventually(lambda: not command_line.is_file() or not command_line.read_bytes())
