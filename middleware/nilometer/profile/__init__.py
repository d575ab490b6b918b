"""Profiles: all sketches of an entity for each label set and window."""

from nilometer.profile.category import CategoryProfile, Dictionary, DictionaryCounts, pseudonym
from nilometer.profile.content import Content, DataType, TypeCounts
from nilometer.profile.coverage import Coverage
from nilometer.profile.feature import FeatureProfile, FeatureSpec
from nilometer.profile.numeric import Bounds, NumericProfile
from nilometer.profile.profile import Profile, SpecOf
from nilometer.profile.recorder import FeatureRecorder
from nilometer.profile.reference import Reference, ReferenceColumn
from nilometer.profile.registered import CONTENTS
from nilometer.profile.score import ScoreProfile
from nilometer.profile.service import ServiceProfile, Streams
from nilometer.profile.summary import SummarySample
from nilometer.profile.websockets import WebSockets
from nilometer.values.reasons import DropReason, Outcome, UndecodableReason

__all__ = [
    "CONTENTS",
    "Bounds",
    "CategoryProfile",
    "Content",
    "Coverage",
    "DataType",
    "Dictionary",
    "DictionaryCounts",
    "DropReason",
    "FeatureProfile",
    "FeatureRecorder",
    "FeatureSpec",
    "NumericProfile",
    "Outcome",
    "Profile",
    "Reference",
    "ReferenceColumn",
    "ScoreProfile",
    "ServiceProfile",
    "SpecOf",
    "Streams",
    "SummarySample",
    "TypeCounts",
    "UndecodableReason",
    "WebSockets",
    "pseudonym",
]
