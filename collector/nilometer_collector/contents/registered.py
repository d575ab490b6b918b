"""How registered content types are shown, by kind. A type from outside is added before use."""

from typing import Any

from nilometer_collector.contents.feature import SHOWN_FEATURE
from nilometer_collector.contents.scores import SHOWN_SCORES
from nilometer_collector.contents.service import SHOWN_SERVICE
from nilometer_collector.contents.view import Shown

# Each takes its own content type only, which the kind of the key stands for.
SHOWN: dict[str, Shown[Any]] = {
    shown.kind: shown for shown in (SHOWN_FEATURE, SHOWN_SERVICE, SHOWN_SCORES)
}
