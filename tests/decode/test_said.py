"""The field `model` names the model where the body is one of that API, and is a feature elsewhere."""

import pytest

from nilometer.decode.said import names_model


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/rerank", ("model", "query", "documents")),
        ("/score", ("model", "text_1", "text_2")),
        ("/classify", ("model", "input")),
        ("/v1/moderations", ("input", "model")),
        ("/api/embeddings", ("model", "prompt")),
        ("/v1/audio/transcriptions", ("file.bytes", "model")),
    ],
)
def test_bodies_of_an_api_name_their_model(path: str, fields: tuple[str, ...]) -> None:
    assert names_model(path, fields)
    assert not names_model(path, ("model", "year"))  # of a car
    assert not names_model("/predict", fields)
