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

ASKED = {"messages": [1], "characters": [16], "attachments": [0], "tools": [0]}
CHATTED = {"model": ["m"], "stream": [True], **ASKED}
CLAUDE = {
    **CHATTED,
    "max_tokens": [100],
    "temperature": [0.5],
    "model": ["claude-x"],
    "characters": [30],
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
    "hf_classify": (
        {"inputs": ["I love this secret text"], "parameters.top_k": [2]},
        {"label": ["POSITIVE"], "score": [0.99]},
    ),
    "hf_classify_flat": ({"inputs": ["I love it"]}, {"label": ["POSITIVE"], "score": [0.99]}),
    # Language models: one row each.
    "anthropic_stream": (
        CLAUDE,
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
        CLAUDE,
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
        {"model": ["command-r"], **ASKED},
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
        {"model": ["llama3"], **ASKED},
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
        {
            "model": ["llama3"],
            "stream": [False],
            "prompts": [1],
            "characters": [16],
            "attachments": [0],
            "tools": [0],
        },
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
        {"model": ["gpt-x"], "stream": [True], **ASKED, "characters": [2]},
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
    "arrow_ipc": ({"age": [41, 23], "income": [52000.5, 18000.0]}, SCORE),
    "parquet": ({"age": [41, 23], "income": [52000.5, 18000.0]}, SCORE),
    "msgpack": ({"age": [41], "income": [52000.5]}, SCORE),
    "protobuf": (
        {"value.bytes": [11], "value.type": ["application/x-protobuf"]},
        SCORE,
    ),
    "sagemaker_libsvm": ({"1": [0.5], "3": [2.0]}, {"0": [0.3]}),
    # Files in texts.
    "tfs_b64_image": (
        {"b64.bytes": [1032, 1032], "b64.type": ["image/png", "image/png"]},
        {"predictions.0": [0.1, 0.8], "predictions.1": [0.9, 0.2]},
    ),
    "json_b64_field": (
        {"image.bytes": [1032], "image.type": ["image/png"], "size": [224]},
        SCORE,
    ),
    "openai_images": (
        {
            "model": ["dall-e"],
            "n": [1],
            "size": ["1024x1024"],
            "prompts": [1],
            "characters": [16],
            "attachments": [0],
            "tools": [0],
        },
        {"created": [1], "b64_json.bytes": [1032], "b64_json.type": ["image/png"]},
    ),
    "openai_transcription": (
        {
            "file.bytes": [8],
            "file.type": ["audio/wav"],
            "model": ["whisper-1"],
            "prompt": ["my secret prompt"],
        },
        {"text": ["secret transcript"]},
    ),
    # Values of JSON.
    "nested3": (
        {
            "user.profile.age": [41],
            "user.profile.address.zip": ["01234"],
            "user.profile.address.geo": [{"lat": 1.5, "deep": {"x": 1}}],
        },
        SCORE,
    ),
    "json_nan": (
        {"a": ["nan"], "b": [float("inf")], "c": [float("-inf")], "d": [1]},
        {"score": ["nan"]},
    ),
    "json_bigint": (
        {"id": [1 << 64], "n": [1 << 63], "x": [1]},
        {"score": [10**400]},
    ),
    "decimals_text": (
        {"amount": ["12.50"], "qty": ["3"], "pct": ["12,5"], "pct2": ["45%"]},
        SCORE,
    ),
    "booleans_text": (
        {"a": ["true"], "b": ["False"], "c": ["yes"], "d": ["1"], "e": [True], "f": [0]},
        SCORE,
    ),
    "empty_object": ({}, {}),
    "scalar": ({"value": [42]}, {"value": ["spam"]}),
    "unicode_keys": (
        {"größe": [1.5], "年齢": [41], "emoji \N{WAVING HAND SIGN}": [1], "": [2], " x ": [3]},
        SCORE,
    ),
    "dup_keys": ({"a": [2]}, SCORE),
    "data_envelope": (
        {"data.age": [41], "data.income": [5.5]},
        {"data.score": [0.5], "status": ["ok"]},
    ),
    "jsonrpc": ({"age": [41]}, SCORE),
    "wide_1000_object": ({f"f{at}": [at / 2] for at in range(1000)}, SCORE),
    "wide_5000_object": ("wrong_shape", SCORE),
    "wide_5000_instances": (
        {"instances": [[at / 2 for at in range(5000)]]},
        {"predictions": [0.5]},
    ),
    # More of model servers.
    "vertex_rawpredict_lists": (
        {"instances.0": [1, 3], "instances.1": [2, 4]},
        {"predictions": [0.1, 0.2]},
    ),
    "tfs_columnar_uneven": (
        {"x.0": [1.0, 3.0], "x.1": [2.0, 4.0], "training": [0, 0]},
        {"outputs": [0.1, 0.2]},
    ),
    "hf_qa": (
        {"question": ["secret q?"], "context": ["secret ctx"]},
        {"score": [0.9], "start": [1], "end": [4], "answer": ["secret"]},
    ),
    "hf_ner": (
        {"inputs": ["John lives in Rome"]},
        {
            "entity_group": ["PER", "LOC"],
            "score": [0.99, 0.98],
            "word": ["John", "Rome"],
            "start": [0, 14],
            "end": [4, 18],
        },
    ),
    "hf_feature_extraction": ({"inputs": ["abc"]}, {"value": [[[0.1] * 8] * 5]}),
    "tei_rerank": (
        {"query": ["secret q"], "texts": [["d1", "d2"]]},
        {"index": [1, 0], "score": [0.9, 0.1]},
    ),
    "vllm_rerank": (
        {"model": ["m"], "query": ["secret q"], "documents": [["d1", "d2"]]},
        {
            "index": [1],
            "document.text": ["secret d2"],
            "relevance_score": [0.9],
            "id": ["rerank-1"],
            "model": ["m"],
            "usage.total_tokens": [56],
        },
    ),
    "vllm_pooling": (
        {"model": ["m"], "input": ["secret"]},
        {
            "index": [0],
            "object": ["pooling"],
            "data.0": [0.1],
            "data.1": [0.2],
            "id": ["p"],
            "model": ["m"],
            "usage.prompt_tokens": [3],
            "usage.total_tokens": [3],
            "usage.completion_tokens": [0],
        },
    ),
    "vllm_classify": (
        {"model": ["m"], "input": [["secret"]]},
        {
            "index": [0],
            "label": ["a"],
            "probs.0": [0.1],
            "probs.1": [0.9],
            "num_classes": [2],
            "id": ["c"],
            "model": ["m"],
        },
    ),
    "ollama_embed": (
        {"model": ["all-minilm"], "input": [["a", "b"]]},
        {
            "embeddings.0": [0.1, 0.3],
            "embeddings.1": [0.2, 0.4],
            "model": ["all-minilm", "all-minilm"],
            "total_duration": [1, 1],
            "prompt_eval_count": [2, 2],
        },
    ),
    "openai_embed_tokens": (
        {"model": ["e", "e"], "tokens": [3, 2]},
        {"model": ["e", "e"], "embedding": [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]},
    ),
    # Language models: what their answers contain beside streams.
    "openai_responses": (
        {"model": ["gpt-x"], **ASKED, "characters": [25]},
        {
            "model": ["gpt-x"],
            "finish_reason": ["completed"],
            "choices": [1],
            "characters": [13],
            "tool_calls": [0],
            "input_tokens": [9],
            "output_tokens": [11],
            "cached_tokens": [0],
            "reasoning_tokens": [4],
        },
    ),
    "openai_custom_path": (
        {"model": ["m"], **ASKED, "stream": [False]},
        {
            "model": ["m"],
            "finish_reason": ["stop"],
            "choices": [1],
            "characters": [13],
            "tool_calls": [0],
            "input_tokens": [3],
            "output_tokens": [4],
        },
    ),
    "openai_completion_nomodel": (
        {
            "model": [None],
            "max_tokens": [5],
            "prompts": [1],
            "characters": [16],
            "attachments": [0],
            "tools": [0],
        },
        {
            "model": ["m"],
            "finish_reason": ["length"],
            "choices": [1],
            "characters": [13],
            "tool_calls": [0],
        },
    ),
    "langserve_invoke": (
        {"input.topic": ["secret"]},
        {
            "output.content": ["secret answer"],
            "output.type": ["ai"],
            "metadata.run_id": ["abc"],
        },
    ),
    # Other statuses.
    "redirect": ({"a": [1]}, "empty"),
    "status204": ({"a": [1]}, "empty"),
    "status_202": ({"a": [1]}, {"job_id": ["j1"], "status": ["queued"]}),
}

# Language models that stream: each answer is one row (test_protocols.py).
STREAMED = {
    *("anthropic_stream", "anthropic_stream_error", "cohere_chat_v1", "cohere_chat_v2", "gemini"),
    *("hf_tgi", "hf_tgi_stream", "ollama_chat_stream", "ollama_generate"),
    *("openai_responses_stream_cut", "openai_stream_comments", "openai_stream_crlf"),
    *("openai_stream_error", "openai_stream_midcut", "openai_stream_nodone", "openai_tool_stream"),
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
        assert columns_of(side) == expected


# The model and its version, by case; all other exchanges name none.
MODELS = {
    **dict.fromkeys(("tfs_b64_image", "tfs_columnar_uneven", "tfs_sig", "tfs_regress"), ("m", "")),
    **dict.fromkeys(("vllm_rerank", "vllm_pooling", "vllm_classify"), ("m", "")),
    **dict.fromkeys(("hf_classify", "hf_classify_flat", "hf_qa", "hf_ner"), ("x", "")),
    **dict.fromkeys(
        ("openai_stream_comments", "openai_stream_crlf", "openai_stream_error"), ("m", "")
    ),
    **dict.fromkeys(
        ("openai_stream_midcut", "openai_stream_nodone", "openai_tool_stream"), ("m", "")
    ),
    **dict.fromkeys(("openai_custom_path", "openai_completion_nomodel"), ("m", "")),
    **dict.fromkeys(("openai_responses", "openai_responses_stream_cut"), ("gpt-x", "")),
    **dict.fromkeys(("anthropic_stream", "anthropic_stream_error"), ("claude-x", "")),
    **dict.fromkeys(("ollama_chat_stream", "ollama_generate"), ("llama3", "")),
    "hf_feature_extraction": ("x", ""),
    "kfserving_v2_http_no_data": ("m", ""),
    "gemini": ("gemini-2", ""),
    "cohere_chat_v1": ("command", ""),
    "cohere_chat_v2": ("command-r", ""),
    "ollama_embed": ("all-minilm", ""),
    "openai_embed_tokens": ("e", ""),
    "openai_images": ("dall-e", ""),
    "openai_transcription": ("whisper-1", ""),
}


@pytest.mark.parametrize("case", EXCHANGES)
def test_the_model_is_the_one_that_the_exchange_names(case: str) -> None:
    assert see(EXCHANGES[case]).said == MODELS.get(case, ("", ""))


def test_every_exchange_has_its_columns() -> None:
    assert EXPECTED.keys() | STREAMED == EXCHANGES.keys()


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
