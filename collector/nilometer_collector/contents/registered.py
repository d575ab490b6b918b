"""How registered content types are shown, by kind."""

from typing import Any

from nilometer.kinds import CONTENT_KINDS
from nilometer.profile import Content
from nilometer_collector.contents.extension import shown_extension
from nilometer_collector.contents.feature import SHOWN_FEATURE
from nilometer_collector.contents.scores import SHOWN_SCORES
from nilometer_collector.contents.service import SHOWN_SERVICE
from nilometer_collector.contents.view import Shown

# Each takes its own content type only, which the kind of the key stands for.
SHOWN: dict[str, Shown[Any]] = {
    shown.kind: shown for shown in (SHOWN_FEATURE, SHOWN_SERVICE, SHOWN_SCORES)
}


def shown_of(content: Content) -> Shown[Any]:
    """How *content* is shown: a type of this project, or a registered one from outside."""
    return SHOWN.get(content.kind) or shown_extension(CONTENT_KINDS[content.kind])
