"""Calls of known servers that prepare or manage something, and the forms of their bodies.

Sources: the API references of vLLM, SGLang, llama.cpp, Text Generation Inference, Text Embeddings
Inference, Ollama, OpenAI, Anthropic, Cohere, Gemini, TorchServe, Seldon Core and Cog.
"""

from nilometer.decode.litellm_calls import LITELLM
from nilometer.decode.management_call import (
    Call,
    is_messages,
    is_number,
    is_object,
    is_text,
    is_texts,
    is_tokens,
    one_of,
    with_any,
)

_ID = r"[^/]+"


def _is_scales(value: object) -> bool:
    """Return whether *value* is llama.cpp's list of adapters."""
    return isinstance(value, list) and all(
        isinstance(one, dict) and one.keys() == {"id", "scale"} for one in value
    )


def _is_memory(value: object) -> bool:
    """Return whether *value* is a list of the parts of memory that vLLM and SGLang name."""
    return isinstance(value, list) and all(map(one_of("weights", "kv_cache", "cuda_graph"), value))


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
            **dict.fromkeys(("prompt", "content", "text", "inputs"), is_texts),
            "messages": is_messages,
        },
        only="model prompt content text inputs messages add_special add_special_tokens "
        "parse_special with_pieces return_token_strs parameters prompt_name stream tools "
        "add_generation_prompt continue_final_message chat_template chat_template_kwargs "
        "mm_processor_kwargs media_io_kwargs",
    ),
    Call(
        "turns messages into tokens",
        r"(?:/v1)?/chat_tokenize",
        {"messages": is_messages},
        only=f"{_CHAT} tool_prompt guideline",
    ),
    Call(
        "turns tokens into text",
        r"(?:/v1)?/detokenize",
        dict.fromkeys(("tokens", "ids"), is_tokens),
        only="model tokens ids skip_special_tokens",
    ),
    Call(
        "counts tokens",
        r"/v1/messages/count_tokens",
        {"messages": is_messages},
        only="model messages system tools tool_choice thinking mcp_servers context_management "
        "output_config output_format cache_control speed betas",
    ),
    Call(
        "counts tokens",
        r"/v1(?:beta)?/models/[^/]+:countTokens",
        {
            "contents": is_messages,
            "generateContentRequest": is_object,
        },
        only="model contents generateContentRequest instances systemInstruction tools "
        "generationConfig",
    ),
    Call(
        "counts tokens",
        r"/v1/responses/input_tokens",
        {"input": lambda one: is_text(one) or with_any("role", "type")(one)},
        only="model input instructions conversation previous_response_id parallel_tool_calls "
        "reasoning text tool_choice tools truncation personality",
    ),
    Call(
        "writes a prompt",
        r"/apply-template",
        {"messages": is_messages},
        only=f"{_CHAT} add_generation_prompt chat_template chat_template_kwargs "
        "reasoning_format parse_tool_calls",
    ),
    Call(
        "manages models",
        r"/api/(?:pull|push|show|copy)",
        dict.fromkeys(("model", "name", "source"), is_text),
        only="model name source destination system template verbose insecure stream username "
        "password options",
    ),
    Call(
        "manages models",
        r"/api/create",
        dict.fromkeys(("model", "name"), is_text),
        only="model name adapters template license system parameters messages quantize stream path",
        marks={"from": is_text, "files": is_object, "modelfile": is_text},
    ),
    Call(
        "manages models",
        r"/api/delete",
        dict.fromkeys(("model", "name"), is_text),
        only="model name",
        method="DELETE",
    ),
    Call(
        "manages adapters",
        r"(?:/v1)?/(?:un)?load_lora_adapter",
        {"lora_name": is_text},
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
            is_text,
        ),
        only="limit after before after_id before_id order purpose filter include include[] name "
        "model api-version",
        method="GET",
    ),
    Call("uploads a file", r"/v1/files", {}, parts="purpose"),
    Call(
        "uploads a file",
        rf"/v1/uploads(?:/{_ID}/(?:parts|complete|cancel))?",
        {"purpose": is_text, "part_ids": is_texts},
        parts="data",
    ),
    Call(
        "manages batches",
        rf"/v1/batches(?:/{_ID}/cancel)?",
        {"input_file_id": is_text},
    ),
    Call(
        "manages batches",
        rf"/v1/messages/batches(?:/{_ID}/cancel)?",
        {"requests": with_any("custom_id")},
    ),
    Call(
        "manages fine-tuning",
        rf"/v1/fine_tuning/(?:jobs(?:/{_ID}/(?:cancel|pause|resume))?"
        rf"|checkpoints/{_ID}/permissions|alpha/graders/(?:run|validate))",
        {
            "training_file": is_text,
            "project_ids": is_texts,
            "grader": is_object,
        },
    ),
    Call(
        "manages vector stores",
        rf"/v1/vector_stores(?:/{_ID}(?:/search|/files(?:/{_ID})?|/file_batches(?:/{_ID}/cancel)?)?)?",
        {
            **dict.fromkeys(("name", "file_id"), is_text),
            **dict.fromkeys(("file_ids", "query"), is_texts),
            "expires_after": is_object,
            "files": with_any("file_id"),
        },
        only="name description file_id file_ids files expires_after chunking_strategy metadata "
        "attributes query filters max_num_results ranking_options rewrite_query",
    ),
    Call(
        "manages containers",
        rf"/v1/containers(?:/{_ID}/files)?",
        dict.fromkeys(("name", "file_id"), is_text),
        only="name file_id file_ids expires_after memory_limit network_policy skills",
        parts="file",
    ),
    Call(
        "manages models",
        r"/models",
        dict.fromkeys(("limit", "next_page_token"), is_text),
        only="limit next_page_token",
        method="GET",
    ),
    Call(
        "manages models",
        rf"/models(?:/{_ID}){{1,2}}",
        {"customized": one_of("true", "false")},
        only="customized",
        method="GET",
    ),
    Call(
        "manages models",
        r"/models",
        {"url": is_text},
        only="url model_name handler runtime batch_size max_batch_delay initial_workers "
        "synchronous response_timeout startup_timeout s3_sse_kms",
        in_query=True,
    ),
    Call(
        "scales the server",
        rf"/models(?:/{_ID}){{1,2}}",
        dict.fromkeys(("min_worker", "max_worker"), is_text),
        only="min_worker max_worker number_gpu synchronous timeout",
        method="PUT",
        in_query=True,
    ),
    Call(
        "manages models",
        r"/models/(?:un)?load",
        {"model": is_text},
        only="model extra_args",
    ),
    Call(
        "sends feedback",
        r"/api/v[0-9]+(?:\.[0-9]+)?/feedback|/send-feedback",
        {"reward": is_number, "request": is_object},
        only="request response reward truth",
    ),
    Call("stops a request", rf"/predictions/{_ID}/cancel", {}),
    Call(
        "stops a request",
        r"/abort_request",
        {"rid": is_texts, "abort_all": lambda one: isinstance(one, bool)},
        only="rid abort_all finished_reason abort_message",
    ),
    Call(
        "pauses the server",
        r"/(?:pause|continue)_generation",
        {
            "mode": one_of("abort", "retract", "in_place"),
            "torch_empty_cache": lambda one: isinstance(one, bool),
        },
        only="mode torch_empty_cache",
    ),
    Call(
        "manages sessions",
        r"/(?:open|close)_session",
        {"capacity_of_str_len": is_number, "session_id": is_text},
        only="capacity_of_str_len session_id streaming timeout",
    ),
    Call("manages slots", r"/slots/[0-9]+", {"filename": is_text}, only="filename"),
    Call(
        "manages memory",
        r"/sleep|/wake_up|/(?:release|resume)_memory_occupation",
        {"tags": _is_memory},
        only="tags",
    ),
    Call(
        "loads weights",
        r"/update_weights_from_(?:disk|tensor|distributed)|/init_weights_update_group",
        {
            **dict.fromkeys(("model_path", "master_address", "group_name"), is_text),
            **dict.fromkeys(("names", "serialized_named_tensors"), is_texts),
        },
    ),
    Call("calls the workers", r"/collective_rpc", {"method": is_text}),
    Call("scales the server", r"/scale_elastic_ep", {"new_data_parallel_size": is_number}),
    Call(
        "measures the server",
        r"/(?:start|stop)_profile",
        {
            **dict.fromkeys(("output_dir", "profile_id", "profile_prefix"), is_text),
            **dict.fromkeys(("num_steps", "start_step"), is_number),
            "activities": is_texts,
        },
        only="output_dir start_step num_steps activities profile_by_stage profile_stages "
        "with_stack record_shapes profile_id profile_prefix merge_profiles",
    ),
    *LITELLM,
)
