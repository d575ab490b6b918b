"""Bodies as real systems write them become the columns that their users would name.

The expected columns were written by hand, not copied from a decoder. The bodies are in `wild`.
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nilometer.commands.decoded_traffic import SeenSide, see
from nilometer.commands.traffic_files import read
from nilometer.decode import Side, decode_exchange
from nilometer.values.entity import Role
from nilometer.values.errors import Undecodable

EXCHANGES = {one.case: one for one in read(Path(__file__).parent / "wild" / "manifest.json")}

PEOPLE = {"age": [41, 23], "income": [52000.5, 18000], "region": ["north", "south"]}
SCORE = {"score": [0.5]}
NPY = {"value.0": [1.0, 4.0], "value.1": [2.0, 5.0], "value.2": [3.0, 6.0]}
IRIS = {"features.0": [5.1], "features.1": [3.5], "features.2": [1.4], "features.3": [0.2]}

CHATTED = {
    "model": ["m"],
    "stream": [True],
    "messages": [1],
    "characters": [16],
    "attachments": [0],
    "tools": [0],
}
ANSWERED = {"choices": [1], "characters": [13], "tool_calls": [0]}
CHAT = {**ANSWERED, "model": ["m"], "finish_reason": ["stop"], "stream_end": ["completed"]}

# Inputs and outputs by case; a word is the reason why there are none.
EXPECTED: Mapping[str, tuple[Any, Any]] = {
    # Data frames.
    "pandas_split": (PEOPLE, SCORE),
    "pandas_split_tight": (PEOPLE, SCORE),
    "pandas_table": (PEOPLE, SCORE),
    "pandas_index": (PEOPLE, SCORE),
    "pandas_columns": (PEOPLE, SCORE),
    "pandas_list_columns": (PEOPLE, SCORE),
    "dup_columns_split": ({"a": [1, 3], "a.1": [2, 4]}, {"predictions": [0, 1]}),
    "databricks_split": ({"age": [41, 23], "inc": [5.5, 6.5]}, {"predictions": [0, 1]}),
    "databricks_feature_inputs": ({"age": [41, 23], "inc": [5.5, 6.5]}, {"predictions": [0, 1]}),
    # Rows under any key.
    "wrapped_records_data": (PEOPLE, SCORE),
    "wrapped_records_items": ({**PEOPLE, "model": ["v2", "v2"]}, SCORE),
    "features_matrix_meta": (
        {
            "features.0": [5.1, 6.7],
            "features.1": [3.5, 3.0],
            "features.2": [1.4, 5.2],
            "features.3": [0.2, 2.3],
            "model": ["v2", "v2"],
        },
        SCORE,
    ),
    "inputs_named_lists": ({"a": [1, 2], "b": [3, 4]}, {"outputs": [0.1, 0.2]}),
    "list_of_lists_ragged": ({"value": [[1, 2, 3], [4, 5]]}, SCORE),
    "list_of_lists_mixed": (
        {"value.0": [41, 23], "value.1": ["north", "south"], "value.2": [True, False]},
        SCORE,
    ),
    # Short vectors.
    "features_flat": (
        IRIS,
        {
            "probabilities.0": [0.1],
            "probabilities.1": [0.2],
            "probabilities.2": [0.7],
            "label": ["c"],
        },
    ),
    "sagemaker_linear": (
        {"features.0": [1.5, 2.5], "features.1": [16, 17]},
        {"score": [0.4, 0.9], "predicted_label": [0, 1]},
    ),
    # Azure ML.
    "azureml_params": ({"age": [41, 23], "inc": [5.5, 6.5]}, {"Results": [0, 1]}),
    "azureml_Inputs": ({"age": [41], "inc": [5.5], "GlobalParameters": [1.0]}, {"Results": [0]}),
    "azureml_string_json": ({"result": [0.1]}, {"result": [0, 1]}),
    # Vertex AI and TensorFlow Serving.
    "vertex": (
        {"age": [41, 23], "sex": ["m", "f"]},
        {"label": ["b", "b"], "score": [0.9, 0.7]},
    ),
    "tfs_sig": ({"x.0": [1.0, 3.0], "x.1": [2.0, 4.0]}, {"p.0": [0.1, 0.2], "p.1": [0.9, 0.8]}),
    "tfs_regress": ({"age": [41.0, 23.0], "context.c": [1.0, 1.0]}, {"results": [0.4, 0.6]}),
    "predictions_objects": ({"a": [1, 2]}, {"label": ["x", "y"], "score": [0.9, 0.1]}),
    "empty_instances": ("empty", "empty"),
    "kfserving_v2_http_no_data": ("empty", "empty"),
    # Labels with scores.
    "hf_classify": (None, {"label": ["POSITIVE"], "score": [0.99]}),
    "hf_classify_flat": (None, {"label": ["POSITIVE"], "score": [0.99]}),
    # Language models: one row each.
    "anthropic_stream": (
        {
            **CHATTED,
            "max_tokens": [100],
            "temperature": [0.5],
            "model": ["claude-x"],
            "characters": [30],
        },
        {
            **ANSWERED,
            "model": ["claude-x"],
            "finish_reason": ["end_turn"],
            "stream_end": ["completed"],
            "input_tokens": [10],
            "output_tokens": [5],
        },
    ),
    "anthropic_stream_error": (
        None,
        {
            **ANSWERED,
            "model": ["claude-x"],
            "finish_reason": [None],
            "characters": [7],
            "stream_end": ["error"],
            "input_tokens": [10],
            "output_tokens": [1],
        },
    ),
    "cohere_chat_v1": (
        {"model": ["command"], "messages": [1], "characters": [16], "tools": [0]},
        {**ANSWERED, "model": [None], "finish_reason": ["COMPLETE"]},
    ),
    "cohere_chat_v2": (
        None,
        {
            **ANSWERED,
            "model": [None],
            "finish_reason": ["COMPLETE"],
            "input_tokens": [71],
            "output_tokens": [3],
        },
    ),
    "gemini": (
        {
            "model": ["gemini-2"],
            "messages": [1],
            "characters": [16],
            "attachments": [0],
            "tools": [0],
            "temperature": [0.2],
        },
        {
            **ANSWERED,
            "model": ["gemini-2"],
            "finish_reason": ["STOP"],
            "input_tokens": [4],
            "output_tokens": [7],
        },
    ),
    "hf_tgi": (
        {"prompts": [1], "characters": [16], "max_new_tokens": [20]},
        {**ANSWERED, "model": [None], "finish_reason": ["length"], "output_tokens": [20]},
    ),
    "hf_tgi_stream": (
        {"prompts": [1], "characters": [16], "max_new_tokens": [20]},
        {
            **ANSWERED,
            "model": [None],
            "finish_reason": ["length"],
            "characters": [6],
            "stream_end": ["completed"],
            "output_tokens": [2],
        },
    ),
    "ollama_chat_stream": (
        None,
        {
            **ANSWERED,
            "model": ["llama3"],
            "finish_reason": ["stop"],
            "characters": [6],
            "stream_end": ["completed"],
            "input_tokens": [7],
            "output_tokens": [2],
        },
    ),
    "ollama_generate": (
        None,
        {
            **ANSWERED,
            "model": ["llama3"],
            "finish_reason": ["stop"],
            "input_tokens": [7],
            "output_tokens": [2],
        },
    ),
    "openai_stream_comments": (CHATTED, {**CHAT, "characters": [3]}),
    "openai_stream_crlf": (CHATTED, {**CHAT, "characters": [3]}),
    "openai_stream_error": (
        CHATTED,
        {**CHAT, "characters": [3], "finish_reason": [None], "stream_end": ["error"]},
    ),
    "openai_stream_midcut": (
        CHATTED,
        {**CHAT, "characters": [3], "finish_reason": [None], "stream_end": ["cut"]},
    ),
    "openai_stream_nodone": (CHATTED, {**CHAT, "characters": [6], "stream_end": ["cut"]}),
    "openai_tool_stream": (
        {**CHATTED, "tools": [1]},
        {**CHAT, "characters": [0], "tool_calls": [1]},
    ),
    "openai_responses_stream_cut": (
        None,
        {**ANSWERED, "model": ["gpt-x"], "finish_reason": [None], "stream_end": ["cut"]},
    ),
    # CSV.
    "csv_plain": (PEOPLE, {"score": [0.5, 0.2]}),
    "csv_semicolon": (PEOPLE, SCORE),
    "csv_tab": ({"age": [41], "income": [52000.5]}, SCORE),
    "csv_noheader_one": ({"0": [5.1], "1": [3.5], "2": [1.4], "3": [0.2]}, {"0": [0.93]}),
    "csv_leading_zeros": ({"zip": ["01234", "98101"], "v": [1, 2]}, SCORE),
    "csv_nan": ({"a": [1, 2, 3], "b": [None, None, float("inf")]}, SCORE),
    "csv_trailing_comma": ({"a": [1], "b": [2]}, SCORE),
    "sagemaker_csv_jsonlines": ({"0": [41, 23], "1": [52000.5, 18000]}, {"score": [0.5, 0.2]}),
    "wide_5000_csv": ("wrong_shape", SCORE),
    # Content types.
    "json_as_textjson": ({"a": [1]}, {"score": [1]}),
    "json_as_html": ({"a": [1]}, {"score": [1]}),
    "json_no_ct": ({"a": [1]}, {"score": [1]}),
    "json_bom": ({"a": [1]}, {"score": [1]}),
    "wrong_ct_html": ({"a": [1]}, "unknown_content_type"),
    "jsonl_error_line": ({"a": [1, 2, 3]}, {"p": [1, None, 3], "error": [None, "bad row", None]}),
    "json_latin1": ({"name": ["Zoë"]}, {"score": [1]}),
    "npy": (NPY, NPY),
    "raw_audio": ({"value.bytes": [204], "value.type": ["audio/wav"]}, SCORE),
    "jsonl_declared_json": ({"a": [1, 2]}, {"p": [1, 2]}),
}

TYPES = (
    *("", "application/json", "text/csv", "text/plain", "text/event-stream", "text/html"),
    *("application/x-ndjson", "application/octet-stream", "application/x-npy", "image/png"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=xx"),
    *("application/json; charset=utf-16", "text/tab-separated-values", "application/grpc"),
)


@pytest.mark.parametrize("case", EXPECTED)
def test_a_body_becomes_the_columns_of_its_user(case: str) -> None:
    seen = see(EXCHANGES[case])
    for side, expected in zip((seen.request, seen.response), EXPECTED[case], strict=True):
        if expected is not None:  # None: not decided yet
            assert columns_of(side) == expected


def columns_of(side: SeenSide) -> object:
    if side.undecodable:
        return side.undecodable
    columns: Any = side.as_json()["columns"]
    return {name: [*map(_number, cells)] for name, cells in columns.items()}


def _number(cell: Any) -> Any:
    """Undo the text that stands for an infinite number in JSON."""
    return float(cell) if cell in ("inf", "-inf") else cell


@pytest.mark.parametrize("case", EXCHANGES)
def test_a_damaged_body_has_columns_of_one_length_or_one_reason(case: str) -> None:
    """Each body is cut, or has wrong bytes, under its own content type and under others."""
    chance = Random(case)  # not a secret
    exchange = EXCHANGES[case]
    for role, message in ((Role.INPUT, exchange.request), (Role.OUTPUT, exchange.response)):
        whole = (message.body or b"")[:8192]
        for content_type in (message.content_type, *chance.sample(TYPES, 4)):
            cut = whole[: chance.randrange(len(whole) + 1)]
            spoilt = bytes(one ^ (chance.random() < 0.02) for one in whole)
            for body in (cut, spoilt):
                side = Side()
                try:
                    decode_exchange(
                        body, content_type, "", role, side, method="POST", path=exchange.path
                    )
                except Undecodable:
                    assert not side.rows
                else:
                    assert {len(one) for one in side.columns(set()).values()} <= {side.rows}
