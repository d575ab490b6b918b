"""Calls of known servers that prepare or manage something, and the forms of their bodies.

Sources: the API references of vLLM, SGLang, llama.cpp, Text Generation Inference, Text Embeddings
Inference, Ollama, OpenAI, Anthropic, Cohere, Gemini, TorchServe, Seldon Core, LiteLLM and Cog.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

IsForm: TypeAlias = Callable[[object], bool]

_ID = r"[^/]+"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    """Return whether *value* is a text, or a list of texts."""
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _is_ids(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in value)


def _is_tokens(value: object) -> bool:
    """Return whether *value* is a list of token ids, or a list of such lists."""
    return _is_ids(value) or (isinstance(value, list) and all(map(_is_ids, value)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _with_any(*names: str) -> IsForm:
    """Return a check for a list of objects, each of which has one of *names*."""

    def is_form(value: object) -> bool:
        return isinstance(value, list) and all(
            isinstance(one, dict) and not one.keys().isdisjoint(names) for one in value
        )

    return is_form


_is_messages = _with_any("role", "parts")


def _is_scales(value: object) -> bool:
    """Return whether *value* is llama.cpp's list of adapters."""
    return isinstance(value, list) and all(
        isinstance(one, dict) and one.keys() == {"id", "scale"} for one in value
    )


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of call.

    Attributes:
        does: What the call does, for users.
        path: Regular expression of its paths.
        needs: Fields of its JSON body, and their forms; one of them is enough.
        only: All fields that the body may have, separated by spaces, if those of *needs* have usual
            names; empty allows any other field.
        marks: Fields, and their forms, that show by themselves that it is this call: with one of
            them, the body may have any other field.
        whole: Form of its JSON body if that is no object; None if it always is an object.
        parts: Names of the parts of its body, separated by spaces, if that is a form of files; one
            of them is enough.
        method: HTTP method. The fields of a GET are those of its query.
    """

    does: str
    path: str
    needs: Mapping[str, IsForm]
    only: str = ""
    marks: Mapping[str, IsForm] = field(default_factory=dict)
    whole: IsForm | None = None
    parts: str = ""
    method: str = "POST"

    def takes(self, value: object) -> bool:
        """Return whether a JSON *value* is a body of this call."""
        if value == {}:
            return True  # all fields may be optional, and no column is lost
        if not isinstance(value, dict):
            return self.whole is not None and self.whole(value)
        if self.only and not ({*value} <= {*self.only.split()} or _has_any(value, self.marks)):
            return False
        return _has_any(value, self.needs)


def _has_any(value: Mapping[str, object], forms: Mapping[str, IsForm]) -> bool:
    return any(name in value and is_form(value[name]) for name, is_form in forms.items())


# Fields of a request for a chat completion, which these calls take as it is.
_CHAT = (
    "model messages tools tool_choice parallel_tool_calls temperature top_p max_tokens "
    "max_completion_tokens stream stream_options seed stop n frequency_penalty presence_penalty "
    "logit_bias logprobs top_logprobs response_format user"
)
CALLS = (
    Call(
        "turns text into tokens",
        r"(?:/v1)?/tokenize",
        {
            **dict.fromkeys(("prompt", "content", "text", "inputs"), _is_texts),
            "messages": _is_messages,
        },
        only="model prompt content text inputs messages add_special add_special_tokens "
        "parse_special with_pieces return_token_strs parameters prompt_name stream tools "
        "add_generation_prompt continue_final_message chat_template chat_template_kwargs "
        "mm_processor_kwargs media_io_kwargs",
    ),
    Call(
        "turns messages into tokens",
        r"(?:/v1)?/chat_tokenize",
        {"messages": _is_messages},
        only=f"{_CHAT} tool_prompt guideline",
    ),
    Call(
        "turns tokens into text",
        r"(?:/v1)?/detokenize",
        dict.fromkeys(("tokens", "ids"), _is_tokens),
        only="model tokens ids skip_special_tokens",
    ),
    Call(
        "counts tokens",
        r"/v1/messages/count_tokens",
        {"messages": _is_messages},
        only="model messages system tools tool_choice thinking mcp_servers context_management "
        "output_config output_format cache_control speed betas",
    ),
    Call(
        "counts tokens",
        r"/v1(?:beta)?/models/[^/]+:countTokens",
        {
            "contents": _is_messages,
            "generateContentRequest": _is_object,
        },
        only="model contents generateContentRequest instances systemInstruction tools "
        "generationConfig",
    ),
    Call(
        "counts tokens",
        r"/v1/responses/input_tokens",
        {"input": lambda one: _is_text(one) or _with_any("role", "type")(one)},
        only="model input instructions conversation previous_response_id parallel_tool_calls "
        "reasoning text tool_choice tools truncation personality",
    ),
    Call(
        "writes a prompt",
        r"/apply-template",
        {"messages": _is_messages},
        only=f"{_CHAT} add_generation_prompt chat_template chat_template_kwargs "
        "reasoning_format parse_tool_calls",
    ),
    Call(
        "manages models",
        r"/api/(?:pull|push|show|copy)",
        dict.fromkeys(("model", "name", "source"), _is_text),
        only="model name source destination system template verbose insecure stream username "
        "password options",
    ),
    Call(
        "manages models",
        r"/api/create",
        dict.fromkeys(("model", "name"), _is_text),
        only="model name adapters template license system parameters messages quantize stream path",
        marks={"from": _is_text, "files": _is_object, "modelfile": _is_text},
    ),
    Call(
        "manages models",
        r"/api/delete",
        dict.fromkeys(("model", "name"), _is_text),
        only="model name",
        method="DELETE",
    ),
    Call(
        "manages adapters",
        r"(?:/v1)?/(?:un)?load_lora_adapter",
        {"lora_name": _is_text},
    ),
    Call("manages adapters", r"/lora-adapters", {}, whole=_is_scales),
    Call(
        "lists what is stored",
        rf"/v1/(?:files|(?:messages/)?batches|containers(?:/{_ID}/files)?"
        rf"|fine_tuning/(?:jobs(?:/{_ID}/(?:events|checkpoints))?|checkpoints/{_ID}/permissions)"
        rf"|vector_stores(?:/{_ID}/(?:files|file_batches/{_ID}/files))?"
        rf"|chat/completions(?:/{_ID}/messages)?|responses/{_ID}/input_items)",
        dict.fromkeys(
            ("limit", "after", "before", "after_id", "before_id", "order", "purpose", "filter"),
            _is_text,
        ),
        only="limit after before after_id before_id order purpose filter include include[] name "
        "model api-version",
        method="GET",
    ),
    Call("uploads a file", r"/v1/files", {}, parts="purpose"),
    Call(
        "uploads a file",
        rf"/v1/uploads(?:/{_ID}/(?:parts|complete|cancel))?",
        {"purpose": _is_text, "part_ids": _is_texts},
        parts="data",
    ),
    Call(
        "manages batches",
        rf"/v1/batches(?:/{_ID}/cancel)?",
        {"input_file_id": _is_text},
    ),
    Call(
        "manages batches",
        rf"/v1/messages/batches(?:/{_ID}/cancel)?",
        {"requests": _with_any("custom_id")},
    ),
    Call(
        "manages fine-tuning",
        rf"/v1/fine_tuning/(?:jobs(?:/{_ID}/(?:cancel|pause|resume))?"
        rf"|checkpoints/{_ID}/permissions|alpha/graders/(?:run|validate))",
        {
            "training_file": _is_text,
            "project_ids": _is_texts,
            "grader": _is_object,
        },
    ),
    Call(
        "manages vector stores",
        rf"/v1/vector_stores(?:/{_ID}(?:/search|/files(?:/{_ID})?|/file_batches(?:/{_ID}/cancel)?)?)?",
        {
            **dict.fromkeys(("name", "file_id"), _is_text),
            **dict.fromkeys(("file_ids", "query"), _is_texts),
            "expires_after": _is_object,
            "files": _with_any("file_id"),
        },
        only="name description file_id file_ids files expires_after chunking_strategy metadata "
        "attributes query filters max_num_results ranking_options rewrite_query",
    ),
    Call(
        "manages containers",
        rf"/v1/containers(?:/{_ID}/files)?",
        dict.fromkeys(("name", "file_id"), _is_text),
        only="name file_id file_ids expires_after memory_limit network_policy skills",
        parts="file",
    ),
    Call(
        "manages models",
        rf"/models(?:/{_ID}){{0,2}}",
        dict.fromkeys(("limit", "next_page_token", "customized"), _is_text),
        only="limit next_page_token customized",
        method="GET",
    ),
    Call("manages models", r"/models/(?:un)?load", {"model": _is_text}, only="model"),
    Call(
        "manages models",
        r"/model/(?:new|update|delete)",
        {"litellm_params": _is_object, "model_info": _is_object, "id": _is_text},
        only="model_name litellm_params model_info id",
    ),
    Call(
        "manages keys",
        rf"/key/(?:(?:{_ID}/)?regenerate|generate|update|delete|block|unblock)",
        {
            **dict.fromkeys(("key", "key_alias", "duration", "user_id", "team_id"), _is_text),
            **dict.fromkeys(("keys", "key_aliases", "models"), _is_texts),
        },
    ),
    Call(
        "manages users",
        r"/(?:user|team|organization|budget)/(?:new|update|delete)",
        {
            **dict.fromkeys(
                ("user_email", "user_role", "team_alias", "organization_alias", "budget_id"),
                _is_text,
            ),
            **dict.fromkeys(("user_ids", "team_ids", "organization_ids"), _is_texts),
        },
    ),
    Call(
        "sends feedback",
        r"/api/v[0-9]+(?:\.[0-9]+)?/feedback|/send-feedback",
        {"reward": _is_number, **dict.fromkeys(("request", "response", "truth"), _is_object)},
        only="request response reward truth",
    ),
    Call("stops a request", rf"/predictions/{_ID}/cancel", {}),
    Call(
        "stops a request",
        r"/abort_request",
        {"rid": _is_texts, "abort_all": lambda one: isinstance(one, bool)},
        only="rid abort_all finished_reason abort_message",
    ),
    Call(
        "manages sessions",
        r"/(?:open|close)_session",
        {"capacity_of_str_len": _is_number, "session_id": _is_text},
        only="capacity_of_str_len session_id streaming timeout",
    ),
    Call("manages slots", r"/slots/[0-9]+", {"filename": _is_text}, only="filename"),
    Call(
        "manages memory",
        r"/sleep|/wake_up|/(?:release|resume)_memory_occupation",
        {"tags": _is_texts},
        only="tags",
    ),
    Call(
        "loads weights",
        r"/update_weights_from_(?:disk|tensor|distributed)|/init_weights_update_group",
        {
            **dict.fromkeys(("model_path", "master_address", "group_name"), _is_text),
            **dict.fromkeys(("names", "serialized_named_tensors"), _is_texts),
        },
    ),
    Call("calls the workers", r"/collective_rpc", {"method": _is_text}),
    Call("scales the server", r"/scale_elastic_ep", {"new_data_parallel_size": _is_number}),
    Call(
        "measures the server",
        r"/(?:start|stop)_profile",
        {
            **dict.fromkeys(("output_dir", "profile_id", "profile_prefix"), _is_text),
            **dict.fromkeys(("num_steps", "start_step"), _is_number),
            "activities": _is_texts,
        },
        only="output_dir start_step num_steps activities profile_by_stage profile_stages "
        "with_stack record_shapes profile_id profile_prefix merge_profiles",
    ),
)
