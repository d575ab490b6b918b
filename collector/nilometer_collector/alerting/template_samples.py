"""Sample messages, on which a template is tried before its channel is saved.

They have the values of a webhook's body: an opening, a closing, and a storm of many entities. Their texts
have quotes, backslashes and line breaks, as names and labels of users may.
"""

import json
from collections.abc import Mapping, Sequence

from nilometer_collector.alerting.template import Template, TemplateError

STORM_SAMPLES = (
    100  # episodes of the storm; a larger message is sent in parts if it exceeds a bound
)

_HARD = 'a "quoted" \\ name\nof two lines, \u00fc'
_AT = "2024-01-01T00:00:00Z"


def check_template(source: str, *, is_json: bool) -> None:
    """Refuse a template that could not tell an opening, a closing or a storm.

    Args:
        source: Text of the template.
        is_json: Whether the result must be JSON.

    Raises:
        TemplateError: The message says where and why.
    """
    template = Template(source)
    for name, values in SAMPLES.items():
        try:
            text = template.render(values)
        except TemplateError as error:
            raise TemplateError(f"{error}, in the sample message of {name}") from error
        if is_json:
            _check_json(text, name)


def _check_json(text: str, name: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise TemplateError(
            f"the sample message of {name} is not JSON: write values as {{{{ name | json }}}}"
        ) from error


def _episode(number: int, stage: str) -> Mapping[str, object]:
    is_over = stage == "closed"
    return {
        "id": number,
        "entity": f"model-{number}",
        "alerter": "drift",
        "summary": _HARD,
        "labels": {"version": _HARD},
        "stage": stage,
        "status": "OK" if is_over else "ALERTING",
        "severity": "warning",
        "value": 0.5,
        "threshold": 0.2,
        "since": _AT,
        "opened": _AT,
        "closed": _AT if is_over else None,
        "evidence": _HARD,
        "link": "https://nilometer.example/",
        "rows": [
            {"where": _HARD, "summary": _HARD, "moved": _HARD, "since": _AT, "trend": ""},
        ],
    }


def _message(stage: str, episodes: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    # Only a message about one open episode has links; a template must do without.
    has_links = stage == "opened" and len(episodes) == 1
    link = {"text": "Acknowledge", "url": "https://nilometer.example/decide"}
    return {
        "version": 1,
        "key": "0123456789abcdef0123456789abcdef",
        "stage": stage,
        "severity": "warning",
        "headline": _HARD,
        "entity": "model-0",
        "is_digest": len(episodes) > 1,
        "since": _AT,
        "note": "",
        "cause": "",
        "health": _HARD,
        "remedy": _HARD,
        "link": "https://nilometer.example/",
        "decisions": [link] if has_links else [],
        "text": _HARD,
        "action": None,
        "episodes": list(episodes),
    }


SAMPLES: Mapping[str, Mapping[str, object]] = {
    "an opening": _message("opened", [_episode(0, "opened")]),
    "a closing": _message("closed", [_episode(0, "closed")]),
    "a storm": _message("opened", [_episode(number, "opened") for number in range(STORM_SAMPLES)]),
}
