"""Templates end, and see nothing but their values."""

import pytest

from nilometer_collector.alerting.template import MOST_CHARACTERS, Template, TemplateError

VALUES = {
    "entity": 'a"b',
    "severity": "warning",
    "note": "",
    "rows": [{"summary": "input.x", "effect": 0.5}, {"summary": "input.y", "effect": None}],
    "many": list(range(1000)),
    "long": "x" * 10_000,
}


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ entity }}: {{ severity }}", 'a"b: warning'),
        ('{"e": {{ entity | json }}}', '{"e": "a\\"b"}'),
        (
            "{% for row in rows %}{{ row.summary }}={{ row.effect }};{% end %}",
            "input.x=0.5;input.y=;",
        ),
        ("{% if note %}a{% else %}b{% end %}{% if not note %}c{% end %}", "bc"),
        ("{% for row in rows %}{% if row.effect %}+{% else %}-{% end %}{% end %}", "+-"),
        ("{{ 1 }}", None),
        ("", ""),
        ('{"a": {{{ entity | json }}}}', '{"a": {"a\\"b"}}'),
    ],
)
def test_a_template_puts_values_in(source: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(TemplateError, match=r"line 1: .* is not understood here"):
            Template(source)
    else:
        assert Template(source).render(VALUES) == result


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x\n{% for x %}", "line 2: '{% for x %}' is not understood here"),
        ("{% for x in rows %}", "the block of 'rows' has no {% end %}"),
        ("{% end %}", "line 1"),
        ("{% for x in rows %}{% else %}{% end %}", "'{% else %}' is not understood here"),
        ("{% if a %}{% else %}{% else %}{% end %}", "is not understood here"),
        ("{% if a %}" * 9, "at most 8 blocks may be nested"),
        ("{{ entity.__class__ }}", "is not understood here"),
        ("{{ entity() }}", "is not understood here"),
        ("x {{ entity }", "'{{ entity }' is not understood here"),
        ("x" + "{" * 19_000, "is not understood here"),  # takes linear time
        ("x" * 20_001, "at most 20000 characters"),
    ],
)
def test_a_template_with_a_mistake_is_refused_with_its_line(source: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(source)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for a in many %}{% for b in many %}{% end %}{% end %}", "more than 20000 steps"),
        ("{% for a in many %}{{ long }}{% end %}", f"more than {MOST_CHARACTERS} characters"),
        ("{{ missing }}", "there is no value 'missing'"),
        ("{{ entity.upper }}", "there is no value 'entity.upper'"),
        ("{% for x in entity %}{% end %}", "'entity' is not a list"),
    ],
)
def test_a_template_that_runs_away_is_stopped(source: str, reason: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(source).render(VALUES)
    assert reason in str(caught.value)
