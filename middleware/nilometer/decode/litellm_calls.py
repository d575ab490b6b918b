"""Calls that manage a LiteLLM proxy, and the forms of their bodies.

Source: LiteLLM's API reference. Its fields have usual names, so each call has a list of all of them.
"""

from nilometer.decode.management_call import (
    Call,
    is_number,
    is_object,
    is_text,
    is_texts,
    one_of,
    with_any,
)

_ID = r"[^/]+"


def _is_key(value: object) -> bool:
    """Return whether *value* is a virtual key or its SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and (
        value.startswith("sk-") or (len(value) == 64 and {*value} <= {*"0123456789abcdef"})
    )


def _is_keys(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_key, value))


_is_role = one_of("proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer")
_HAS_LIMITS = {
    **dict.fromkeys(("max_budget", "soft_budget", "tpm_limit", "rpm_limit"), is_number),
    "budget_duration": is_text,
}
_LIMITS = (
    "models max_budget soft_budget budget_duration budget_limits max_parallel_requests tpm_limit "
    "rpm_limit tpd_limit model_max_budget model_tpm_limit model_rpm_limit mcp_rpm_limit "
    "tag_rpm_limit metadata guardrails policies prompts blocked object_permission"
)
_OWNED = (
    f"{_LIMITS} key_alias duration spend user_id team_id agent_id allowed_cache_controls config "
    "permissions budget_fallbacks aliases send_invite_email"
)
_ROUTED = (
    "tags router_settings access_group_ids allowed_passthrough_routes disable_global_guardrails "
    "allowed_vector_store_indexes tpm_limit_type rpm_limit_type default_estimated_output_tokens "
    "default_estimated_output_tokens_per_model organization_id"
)
LITELLM = (
    Call(
        "manages models",
        r"/model/(?:new|update|delete)",
        {"litellm_params": is_object, "model_info": is_object, "id": is_text},
        only="model_name litellm_params model_info id",
        marks={"litellm_params": is_object},
    ),
    Call(
        "manages keys",
        rf"/key/(?:(?:{_ID}/)?regenerate|generate|update|delete|block|unblock)",
        {
            **_HAS_LIMITS,
            "key": _is_key,
            "keys": _is_keys,
            **dict.fromkeys(("key_alias", "duration", "user_id", "team_id"), is_text),
            **dict.fromkeys(("key_aliases", "models"), is_texts),
        },
        only=f"{_OWNED} {_ROUTED} key keys key_aliases budget_id enforced_params allowed_routes "
        "enable_prompt_caching throttle_on_budget_exceeded key_type auto_rotate rotation_interval "
        "project_id temp_budget_increase temp_budget_expiry new_key new_master_key grace_period",
    ),
    Call(
        "manages users",
        r"/user/(?:new|update|delete)",
        {**_HAS_LIMITS, "user_email": is_text, "user_role": _is_role, "user_ids": is_texts},
        only=f"{_OWNED} user_email user_alias user_role user_ids teams auto_create_key password "
        "sso_user_id organizations",
    ),
    Call(
        "manages teams",
        r"/team/(?:new|update|delete)",
        {**_HAS_LIMITS, "team_alias": is_text, "team_ids": is_texts},
        only=f"{_LIMITS} {_ROUTED} team_alias team_id team_ids admins members members_with_roles "
        "team_member_permissions default_team_member_models model_aliases secret_manager_settings "
        "team_member_budget team_member_rpm_limit team_member_tpm_limit team_member_key_duration "
        "team_member_budget_duration enforced_batch_output_expires_after "
        "enforced_file_expires_after",
    ),
    Call(
        "manages teams",
        r"/(?:team|organization)/member_(?:add|update|delete)",
        {
            **dict.fromkeys(("team_id", "organization_id"), is_text),
            "member": lambda one: is_object(one) or with_any("role")(one),
        },
        only="team_id organization_id member user_id user_email role max_budget_in_team "
        "max_budget_in_organization budget_duration allowed_models tpm_limit rpm_limit",
    ),
    Call(
        "manages organizations",
        r"/organization/(?:new|update|delete)",
        {**_HAS_LIMITS, "organization_alias": is_text, "organization_ids": is_texts},
        only=f"{_LIMITS} organization_id organization_alias organization_ids budget_id spend "
        "updated_by allowed_models",
    ),
    Call(
        "manages budgets",
        r"/budget/(?:new|update|delete)",
        {**_HAS_LIMITS, "budget_id": is_text},
        only=f"{_LIMITS} budget_id budget_reset_at",
    ),
    # Queries of its lists and accounts.
    Call(
        "manages keys",
        r"/key/(?:info|list)",
        {
            "key": _is_key,
            **dict.fromkeys(
                ("page", "size", "user_id", "team_id", "organization_id", "key_hash", "key_alias"),
                is_text,
            ),
        },
        only="key page size user_id team_id organization_id project_id key_hash key_alias "
        "return_full_object include_team_keys include_created_by_keys sort_by sort_order expand "
        "status",
        method="GET",
    ),
    Call(
        "manages users",
        r"/(?:user|team|organization)/(?:info|list)",
        dict.fromkeys(
            ("user_id", "team_id", "organization_id", "page", "page_size", "user_email"), is_text
        ),
        only="user_id team_id organization_id page page_size user_ids user_email sso_user_ids role "
        "team sort_by sort_order team_alias org_alias status",
        method="GET",
    ),
    Call(
        "reads the spend",
        r"/spend/logs",
        dict.fromkeys(("api_key", "user_id", "request_id", "start_date", "end_date"), is_text),
        only="api_key user_id request_id start_date end_date summarize",
        method="GET",
    ),
    Call(
        "manages models",
        r"(?:/v[12])?/model/info",
        {"litellm_model_id": is_text},
        only="litellm_model_id",
        method="GET",
    ),
    Call(
        "checks the server",
        r"/health/services",
        {"service": is_text},
        only="service",
        method="GET",
    ),
)
