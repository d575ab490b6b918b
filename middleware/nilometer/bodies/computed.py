"""Names of columns that decoders compute; they are not keys of a body.

If a rule names such a column, redaction removes the fields from which it is computed.
"""

from collections.abc import Mapping

# Suffixes of columns computed from one field: a text, a file or an image.
OF_TEXT = (
    *("characters", "words", "lines", "digit_share", "upper_share"),
    *("punctuation_share", "whitespace_share", "non_ascii_share"),
)
OF_FILE = ("bytes", "type")

# Columns of a request to a language model, or of its response.
OF_LANGUAGE_MODELS = frozenset(
    {
        *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens"),
        *("characters", "words", "texts", "messages", "prompts", "attachments", "tokens"),
        *("tool_calls", "finish_reason", "error.type", "model", "stream_end"),
    }
)
# Top-level keys of requests, responses and events of language models.
_MARKS = frozenset(
    {
        *("messages", "prompt", "input", "inputs", "contents", "message", "query", "texts"),
        *("choices", "object", "output", "content", "candidates", "response", "generations"),
        *("generated_text", "token", "text", "delta", "content_block", "data", "embeddings"),
        *("usage", "usageMetadata", "details", "eval_count", "error"),
        *("chunk", "answer", "completion", "output_text", "text_output"),
    }
)


def may_be_computed(value: object) -> bool:
    """Return whether columns of a language model may be computed from a document."""
    if isinstance(value, list):
        return any(map(may_be_computed, value[:1]))
    return isinstance(value, Mapping) and not _MARKS.isdisjoint(value)
