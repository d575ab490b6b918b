"""The registered content types, and the form of each in the API."""

from typing import Any

from nilometer.kinds import CONTENT_KINDS
from nilometer.profile import Content
from nilometer_collector.contents.extension import shown_extension
from nilometer_collector.contents.feature import SHOWN_FEATURE
from nilometer_collector.contents.logged import SHOWN_LOGGED
from nilometer_collector.contents.performance import SHOWN_PERFORMANCE
from nilometer_collector.contents.scores import SHOWN_SCORES
from nilometer_collector.contents.service import SHOWN_SERVICE
from nilometer_collector.contents.view import Shown

# `Any`, because each entry only shows the content type of its key.
SHOWN: dict[str, Shown[Any]] = {
    shown.kind: shown
    for shown in (SHOWN_FEATURE, SHOWN_SERVICE, SHOWN_SCORES, *SHOWN_LOGGED, *SHOWN_PERFORMANCE)
}


def shown_of(content: Content) -> Shown[Any]:
    """Return the form in which the API shows *content*, of this package or another one."""
    return SHOWN.get(content.kind) or shown_extension(CONTENT_KINDS[content.kind])
