"""Reduces the labels and scores of a classifier to the best label and its score.

Classifiers return all classes of an input, or the best ones. Only the class with the highest score
is kept, so that its label is a category and its score is a number. Other labels would become
feature names, which clients may choose in zero-shot classification.

Source: Hugging Face, "Inference API"; TensorFlow Serving, "Classify"; Vertex AI, "Get predictions".
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

LABEL, SCORE = "label", "score"  # column names for pairs and for two lists

# Keys of a class and of its score, in objects of a list.
_OBJECTS = tuple(
    (label, score)
    for label in ("label", "class", "class_name", "className", "tagName", "category")
    for score in ("score", "confidence", "probability", "prob", "p")
)
_BESIDE = frozenset({"id", "index", "tagId", "class_id"})
# Keys of a list of classes and of a list of their scores, in one object.
_LISTS = tuple(
    (labels, scores)
    for labels in ("labels", "classes", "displayNames")
    for scores in ("scores", "confidences", "probabilities", "probs")
)
# Keys of a list of scores beside a list of predictions.
SCORES = frozenset(
    {
        *("probabilities", "probability", "probs", "proba", "predict_proba"),
        *("scores", "score", "confidences", "confidence"),
    }
)
_NUMBERS = frozenset({int, float})
_WHOLE = 1.001  # largest sum of one input's scores, with rounding

Best: TypeAlias = dict[str, object]  # the best label and its score, by column name


def best_of_each(items: Sequence[object]) -> list[Best] | None:
    """Return the best label of each input; None unless each item is a list of scored labels."""
    if not items or set(map(type, items)) != {list}:
        return None
    rows: list[Best] = []
    for item in items:
        row = _best_of(item) if isinstance(item, list) else None
        if row is None:
            return None
        rows.append(row)
    return rows


def best_of(value: object) -> Best | None:
    """Return the best label of one input; None for anything else.

    Args:
        value: List of scored labels, or an object with a list of labels and a list of their scores.
            Other cells of the object are kept. The labels of one input differ, and their scores add
            up to at most 1, or there are three or more in descending order. Lists of other labels
            have one label for each of several inputs.
    """
    if isinstance(value, dict):
        keys = scored_lists(value)
        return None if keys is None else _best_beside(value, *keys)
    pairs = _pairs_of(value) if isinstance(value, list) else None
    if pairs is None or len(pairs) < 2 or len({label for label, _ in pairs}) < len(pairs):
        return None
    scores = [score for _, score in pairs]
    descending = len(scores) > 2 and scores == sorted(scores, reverse=True)
    shares = min(scores) >= 0 and max(scores) <= 1 and sum(scores) <= _WHOLE
    return _best_of(value) if isinstance(value, list) and (descending or shares) else None


def has_pairs(items: Sequence[object]) -> bool:
    """Return whether scored labels are lists of label and score, and not objects."""
    return any(
        isinstance(item, list) and not all(isinstance(one, dict) for one in item) for item in items
    )


def scored_lists(row: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the keys of the label list and of the score list; None if one is missing."""
    if LABEL in row or SCORE in row:
        return None
    for keys in _LISTS:
        labels, scores = (row.get(key) for key in keys)
        if not isinstance(labels, list) or not isinstance(scores, list):
            continue
        if not labels or len(labels) != len(scores) or not set(map(type, scores)) <= _NUMBERS:
            continue
        if set(map(type, labels)) <= {str, int}:
            return keys
    return None


def _best_beside(row: Mapping[str, object], labels_key: str, scores_key: str) -> Best:
    labels, scores = row[labels_key], row[scores_key]
    best = {name: cell for name, cell in row.items() if name not in {labels_key, scores_key}}
    if isinstance(labels, list) and isinstance(scores, list):
        at = scores.index(max(scores))
        best |= {LABEL: labels[at], SCORE: scores[at]}
    return best


def _best_of(items: Sequence[object]) -> Best | None:
    pairs = _pairs_of(items)
    if pairs is None:
        return None
    best = items[max(range(len(pairs)), key=lambda at: pairs[at][1])]
    if isinstance(best, dict):
        return {name: cell for name, cell in best.items() if name not in _BESIDE}
    label, score = pairs[items.index(best)]
    return {LABEL: label, SCORE: score}


def _pairs_of(items: Sequence[object]) -> list[tuple[str, float]] | None:
    """Return label and score of each item, which is an object or a list of both."""
    keys: tuple[str, str] | None = None
    pairs: list[tuple[str, float]] = []
    for item in items:
        if isinstance(item, dict):
            keys = keys or _keys_of(item)
            label, score = (item.get(key) for key in keys) if keys else (None, None)
            if keys is None or not item.keys() <= _BESIDE | set(keys):
                return None
        elif isinstance(item, list) and len(item) == 2:
            label, score = item
        else:
            return None
        if not isinstance(label, str) or not isinstance(score, int | float):
            return None
        pairs.append((label, score))
    return pairs or None


def _keys_of(item: Mapping[str, object]) -> tuple[str, str] | None:
    return next((keys for keys in _OBJECTS if item.keys() >= set(keys)), None)
