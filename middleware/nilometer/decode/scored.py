"""Reduces labels with scores to the predicted class and its score.

Classifiers answer with all classes, or the best ones, of an input. Only the class with the highest
score is kept, so that its label is a category and its score is a number. Other labels would be
names of features that clients may choose, as in zero-shot classification.

Source: Hugging Face, "Inference API"; TensorFlow Serving, "Classify"; Vertex AI, "Get predictions".
"""

from collections.abc import Mapping, Sequence

from nilometer.decode.columns import Row
from nilometer.profile.feature import Cell

LABEL, SCORE = "label", "score"
# Keys of a class and of its score, in the objects of a list.
_OBJECTS = tuple(
    (label, score)
    for label in ("label", "class", "class_name", "className", "tagName", "category")
    for score in ("score", "confidence", "probability", "prob", "p")
)
_BESIDE = frozenset({"id", "index", "tagId", "class_id"})
# Keys of a list of classes and of the list of their scores, in one object.
_LISTS = tuple(
    (labels, scores)
    for labels in ("labels", "classes", "displayNames")
    for scores in ("scores", "confidences", "probabilities", "probs")
)
_NUMBERS = frozenset({int, float})
_WHOLE = 1.001  # largest sum of the scores of one input, rounded


def scored_rows(items: Sequence[Cell]) -> list[Row] | None:
    """Return one row for each list of scored labels in *items*; None for anything else."""
    if not items or set(map(type, items)) != {list}:
        return None
    rows: list[Row] = []
    for item in items:
        row = _best_of(item) if isinstance(item, list) else None
        if row is None:
            return None
        rows.append(row)
    return rows


def scored_row(items: Sequence[Cell]) -> list[Row] | None:
    """Return a single row if *items* are the scored labels of one input; None for anything else.

    The labels of one input differ, and their scores add up to at most 1, or are three or more in
    descending order. Other lists have one label for each of several inputs.
    """
    pairs = _pairs_of(items)
    if pairs is None or len(pairs) < 2 or len({label for label, _ in pairs}) < len(pairs):
        return None
    scores = [score for _, score in pairs]
    descending = len(scores) > 2 and scores == sorted(scores, reverse=True)
    shares = min(scores) >= 0 and max(scores) <= 1 and sum(scores) <= _WHOLE
    best = _best_of(items) if descending or shares else None
    return None if best is None else [best]


def without_others(row: Row) -> Row:
    """Return *row* with a list of labels and the list of their scores reduced to the best one."""
    if LABEL in row or SCORE in row:
        return row
    for labels_key, scores_key in _LISTS:
        labels, scores = row.get(labels_key), row.get(scores_key)
        if not isinstance(labels, list) or not isinstance(scores, list):
            continue
        if not labels or len(labels) != len(scores) or not set(map(type, scores)) <= _NUMBERS:
            continue
        if set(map(type, labels)) <= {str, int}:
            best = scores.index(max(scores))
            rest = {name: row[name] for name in row if name not in {labels_key, scores_key}}
            return {**rest, LABEL: labels[best], SCORE: scores[best]}
    return row


def _best_of(items: Sequence[Cell]) -> Row | None:
    pairs = _pairs_of(items)
    if pairs is None:
        return None
    best = items[max(range(len(pairs)), key=lambda at: pairs[at][1])]
    if isinstance(best, dict):
        return {name: cell for name, cell in best.items() if name not in _BESIDE}
    label, score = pairs[items.index(best)]
    return {LABEL: label, SCORE: score}


def _pairs_of(items: Sequence[Cell]) -> list[tuple[str, float]] | None:
    """Return label and score of each item: of an object, or of a list of both."""
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


def _keys_of(item: Mapping[str, Cell]) -> tuple[str, str] | None:
    return next((keys for keys in _OBJECTS if item.keys() >= set(keys)), None)
