"""Files of declared objects are read as JSON has them; what YAML 1.1 adds is refused."""

import json
import os
from pathlib import Path

import pytest

from nilometer.values.errors import ConfigError
from nilometer_collector.commands.declared_files import read_files

OWNER = 'back\\slash \\ud83d "quoted"\t\U0001f600 \\'
VALUES = {"a": 1e-05, "b": 1e300, "c": 2.0, "d": -7, "e": True, "f": None, "owner": OWNER}


def read(path: Path, text: str) -> object:
    path.write_text(text)
    return read_files([path]).document


@pytest.mark.parametrize("options", [{}, {"indent": "\t"}, {"separators": (",", ":")}])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_what_json_writes_is_read_unchanged(
    tmp_path: Path, options: dict[str, str], *, is_ascii: bool
) -> None:
    document = {"version": 1, "entities": [VALUES, {"name": "second"}]}
    text = json.dumps(document, ensure_ascii=is_ascii, **options)  # type: ignore[arg-type]
    assert read(tmp_path / "a.json", text) == document
    assert read_files([tmp_path / "a.json"]).count == 2


@pytest.mark.parametrize("text", ["1e3", "-0.5", "1E-05", "12", "0"])
def test_numbers_of_json_are_numbers_in_yaml(tmp_path: Path, text: str) -> None:
    document = read(tmp_path / "a.yaml", f"version: 1\nalerters:\n  - threshold: {text}\n")
    assert document == {"version": 1, "alerters": [{"threshold": float(text)}]}


@pytest.mark.parametrize(
    "text", ["1:30", "010", "0x10", "1_000", "0b11", "+1", ".5", "1.", ".inf", "yes", "Off", "NULL"]
)
def test_a_value_that_yaml_would_turn_into_another_is_refused(tmp_path: Path, text: str) -> None:
    content = f"version: 1\nalerters:\n  - name: a\n    threshold: {text}\n"
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "a.yaml", content)
    start = f"{tmp_path}/a.yaml:4: alerters[0].threshold = {text}: is neither a number"
    assert str(caught.value).startswith(start)
    quoted = read(tmp_path / "a.yaml", content.replace(text, f'"{text}"'))
    assert quoted == {"version": 1, "alerters": [{"name": "a", "threshold": text}]}


@pytest.mark.parametrize(
    "item",
    [
        "!!python/object/apply:os.system {name: a}",
        "!foo {name: a}",
        "{name: !!str 5}",
        "{name: a, reads_from: !!set [b]}",
    ],
)
def test_tags_are_refused(tmp_path: Path, item: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml:3: .*: tags \(.*\) are not allowed"):
        read(tmp_path / "a.yaml", f"version: 1\nentities:\n  - {item}\n")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.json", '{"version": 1,\n"entities": [}', ":2: is not JSON: Expecting value"),
        ("a.json", '{"version": 1, "entities": [NaN]}', "NaN is not a number of JSON"),
        ("a.json", '{"version": 1,\n"version": 1}', ":2: version: appears twice"),
        ("a.json", "version: 1", ":1: is not JSON"),
        ("a.json", "", ":1: is not JSON"),
        ("a.yaml", "# rendered to nothing\n", ": contains no document"),
        ("a.yaml", "version: 1\nentities:\n  - {<<: {name: a}}", ":3: merge keys (<<) are not"),
        ("a.yaml", 'a: "x\u2028y"\nentities: [\n  - {', " is not YAML: "),  # three lines to YAML
        ("a.yaml", '\ufeffa: "\u2028"\nb:\n\t- c', " is not YAML: a tab: indent with spaces"),
        ("a.yaml", "version: 1\nentities: " + "[" * 900 + "]" * 900, ": is nested too deeply"),
        ("a.yaml", f"version: 1\nentities:\n  - a: {1 << 53}", ":3: entities[0].a = 90071992547"),
    ],
)
def test_a_mistake_names_its_file_and_line(tmp_path: Path, name: str, text: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / name, text)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"version: 1\nentities:\n  - name: M\xfcller\n", ":3: is not UTF-8: byte 0xfc"),
        (b"version: 1\nentities:\n  - name: a\0b\n", ":3: is not YAML: character 0x0"),
        (b"version: 1\nentities: !!python/tuple [a]\n", ":2: entities: tags ("),
        (b"!foo {version: 1}\n", ":1: the top level: tags ("),
    ],
)
def test_bytes_and_tags_that_are_refused_name_their_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_files([tmp_path / "a.yaml"])
    assert str(caught.value).startswith(f"{tmp_path}/a.yaml{why}")


def test_a_mounted_config_map_is_read_once_and_hidden_files_are_not(tmp_path: Path) -> None:
    """Kubernetes mounts links to a hidden directory; editors leave hidden copies."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").write_text("version: 1\nentities:\n  - name: a\n")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / ".a.yaml.swp.yaml").write_text("not YAML: [")
    assert read_files([tmp_path]).count == 1


@pytest.mark.parametrize("kind", ["link to nothing", "fifo", "link to a directory", "line"])
def test_nothing_in_a_directory_is_left_out_silently(tmp_path: Path, kind: str) -> None:
    """A prune would remove its objects."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.yaml").write_text("version: 1\n")
    if kind == "fifo":
        os.mkfifo(tmp_path / "d" / "b.yaml")
    elif kind == "line":
        (tmp_path / "d" / "b\n.yaml").write_text("version: 1\n")
    else:
        (tmp_path / "d" / "b.yaml").symlink_to("gone" if kind == "link to nothing" else "..")
    with pytest.raises(
        ConfigError, match=r"is a link to|is not a regular file|printable"
    ) as caught:
        read_files([tmp_path / "d"])
    assert "\n" not in str(caught.value)


def test_a_directory_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d" / "closed").mkdir(parents=True)
    (tmp_path / "d" / "a.yaml").write_text("version: 1\n")
    tmp_path.chmod(0o755)
    (tmp_path / "d" / "closed").chmod(0)
    monkeypatch.chdir(tmp_path)  # other users may not see the directories above it
    user = os.geteuid()
    if user == 0:  # it may read everything
        os.seteuid(65_534)
    try:
        with pytest.raises(ConfigError, match=r"^d/closed: Permission denied$"):
            read_files([Path("d")])
        with pytest.raises(ConfigError, match=r"^d/closed/a.yaml: Permission denied$"):
            read_files([Path("d/closed/a.yaml")])
    finally:
        os.seteuid(user)
        (tmp_path / "d" / "closed").chmod(0o700)


@pytest.mark.parametrize("name", ["A.YAML", "a.Yml", "A.JSON"])
def test_a_suffix_in_upper_case_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"version": 1, "entities": [{"name": "a"}]}')
    assert read_files([tmp_path]).count == 1


def test_a_list_that_is_too_long_names_its_file(tmp_path: Path) -> None:
    text = "version: 1\nentities:\n" + "  - name: a\n" * 2
    (tmp_path / "a.yaml").write_text(text)
    found = read_files([tmp_path / "a.yaml"])
    said = found.located("entities: must be a list of at most 1 items", "entities")
    assert said == f"{tmp_path}/a.yaml: entities: must be a list of at most 1 items"
    assert found.located("version: is wrong", "version") == "version: is wrong"
