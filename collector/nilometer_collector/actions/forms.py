"""The request that each kind of target gets.

Sources: GitHub REST API, "Create a repository dispatch event" (at most 10 properties of
``client_payload``); GitLab, "Trigger a pipeline with a token"; Jenkins, "Remote access API"
(``buildWithParameters``); Argo Workflows' API, ``SubmitWorkflow``; Argo Events, "Webhook".
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, urlencode

from nilometer.values.clock import NANOSECONDS
from nilometer_collector.access.destinations import Allowed, Destination
from nilometer_collector.access.secret import Secret
from nilometer_collector.actions.content import PREFIX, Order
from nilometer_collector.alerting.targets import KINDS, TargetDefinition
from nilometer_collector.channels.posting import JSON_HEADERS, Request, as_json
from nilometer_collector.channels.webhook import signature

GITHUB_VERSION = "2022-11-28"
FORM_HEADERS = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """One attempt to give an order to a target.

    Attributes:
        target: Target with its secrets.
        order: What it is told.
        allowed: Addresses that it may have, besides public ones.
        now_ns: Wall time.
    """

    target: TargetDefinition
    order: Order
    allowed: Allowed
    now_ns: int

    def setting(self, name: str) -> str:
        """Return a setting, or its default."""
        return self.target.settings.get(name, KINDS[self.target.kind].fields[name].default)

    def secret(self, name: str) -> str:
        """Return a secret; empty if it is not set."""
        return self.target.secrets.get(name, "")

    def at(self, path: str) -> Destination:
        """Return the destination *path* below the URL of the settings."""
        return Destination(Secret(self.setting("url").rstrip("/") + path), self.allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a kind of target is told.

    Attributes:
        request: Function that makes the request.
        known_status: Status that says that it has the order already; 0 if there is none.
    """

    request: Callable[[Ordering], Request]
    known_status: int = 0


def signed(ordering: Ordering, content: Mapping[str, object]) -> Request:
    """Return a request to the secret URL with *content* as signed JSON."""
    body, at = as_json(content), str(ordering.now_ns // NANOSECONDS)
    headers = {
        **JSON_HEADERS,
        "nilometer-timestamp": at,
        "nilometer-signature": f"v1={signature(ordering.secret('signing_key'), at, body)}",
    }
    if token := ordering.secret("token"):
        headers["authorization"] = f"Bearer {token}"
    url = Destination(Secret(ordering.secret("url")), ordering.allowed)
    return Request(destination=url, body=body, headers=headers)


def _webhook(ordering: Ordering) -> Request:
    return signed(ordering, ordering.order.content())


def _kserve(ordering: Ordering) -> Request:
    place = {
        "namespace": ordering.setting("namespace"),
        "inference_service": ordering.setting("inference_service"),
    }
    return signed(ordering, {**ordering.order.content(), "kserve": place})


def _github(ordering: Ordering) -> Request:
    content, order = ordering.order.content(), ordering.order
    payload = {
        name: content[name]
        for name in ("key", "action", "cure", "entity", "parameters", "episode", "link")
    }
    event = {
        "event_type": ordering.setting("event_type"),
        "client_payload": {**payload, "approved_by": order.approved_by},
    }
    headers = {
        **JSON_HEADERS,
        "accept": "application/vnd.github+json",
        "authorization": f"Bearer {ordering.secret('token')}",
        "user-agent": "nilometer",
        "x-github-api-version": GITHUB_VERSION,
    }
    path = f"/repos/{ordering.setting('repository')}/dispatches"
    return Request(destination=ordering.at(path), body=as_json(event), headers=headers)


def _gitlab(ordering: Ordering) -> Request:
    fields = {"token": ordering.secret("token"), "ref": ordering.setting("ref")}
    for name, value in ordering.order.variables().items():
        fields[f"variables[{name}]"] = value
    path = f"/api/v4/projects/{quote(ordering.setting('project'), safe='')}/trigger/pipeline"
    return Request(
        destination=ordering.at(path), body=urlencode(fields).encode(), headers=FORM_HEADERS
    )


def _jenkins(ordering: Ordering) -> Request:
    jobs = "".join(f"/job/{quote(part, safe='')}" for part in ordering.setting("job").split("/"))
    pair = f"{ordering.setting('user')}:{ordering.secret('token')}".encode()
    headers = {**FORM_HEADERS, "authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return Request(
        destination=ordering.at(f"{jobs}/buildWithParameters"),
        body=urlencode(ordering.order.variables()).encode(),
        headers=headers,
    )


def _argo_workflows(ordering: Ordering) -> Request:
    variables = ordering.order.variables()
    submitted = {
        "resourceKind": "WorkflowTemplate",
        "resourceName": ordering.setting("workflow_template"),
        "submitOptions": {
            # The name comes from the key, so that a second submission is refused with 409.
            "name": f"nilometer-{ordering.order.run.key}",
            "labels": "app.kubernetes.io/created-by=nilometer",
            "parameters": [
                f"{name.removeprefix(PREFIX).lower() if name.startswith(PREFIX) else name}={value}"
                for name, value in variables.items()
            ],
        },
    }
    headers = {**JSON_HEADERS, "authorization": f"Bearer {ordering.secret('token')}"}
    path = f"/api/v1/workflows/{ordering.setting('namespace')}/submit"
    return Request(destination=ordering.at(path), body=as_json(submitted), headers=headers)


Forms: TypeAlias = Mapping[str, Form]

FORMS: Forms = {
    "webhook": Form(request=_webhook),
    "github": Form(request=_github),
    "gitlab": Form(request=_gitlab),
    "jenkins": Form(request=_jenkins),
    "argo_workflows": Form(request=_argo_workflows, known_status=409),
    "argo_events": Form(request=_webhook),
    "kserve": Form(request=_kserve),
}
