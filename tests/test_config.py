"""``mograder.config``: what a course may write into mograder.toml, and what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.config import FILE_NAME, CourseConfig, load, parse
from mograder.errors import ConfigError

KEYS = [
    "hub",
    "dirs",
    "moodle",
    "assignments",
    "port",
    "title",
    "rlimits",
    "",
    "a b",
    'x"y',
    "a\nb",
    "\u2028",
]
KEY = st.sampled_from(KEYS) | st.text(max_size=12)
SCALAR = st.integers() | st.floats() | st.booleans() | st.text(max_size=20)


def toml_string(text: str) -> str:
    """A basic string of TOML that holds any text."""
    return '"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"'


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return str(value)


VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3), max_leaves=5).map(toml)
LINE = st.one_of(
    KEY.map(lambda key: f"[{toml_string(key)}]"),
    KEY.map(lambda key: f"[[{toml_string(key)}]]"),
    st.sampled_from(["[hub]", "[dirs]", "[moodle]", "[[assignments]]", "[[assignments.files]]"]),
    st.tuples(KEY, VALUE).map(lambda pair: f"{toml_string(pair[0])} = {pair[1]}"),
    st.tuples(st.sampled_from(["port", "session_ttl", "instructors"]), VALUE).map(" = ".join),
)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def accepts_or_explains(text: str) -> None:
    try:
        assert isinstance(parse(text), CourseConfig)
    except ConfigError as error:
        assert str(error).startswith(FILE_NAME)
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 2000


@given(st.text())
def test_any_text_is_a_configuration_or_one_sentence(text: str) -> None:
    accepts_or_explains(text)


@given(st.lists(LINE, max_size=6))
def test_any_toml_is_a_configuration_or_one_sentence(lines: list[str]) -> None:
    accepts_or_explains("\n".join(lines))


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "9" * 5000,
        "a = " + "{a=" * 5000,
        "[" + "a." * 5000 + "b]\n",
        "x" * 10**6,
    ],
    ids=["deep lists", "many digits", "deep tables", "deep keys", "long line"],
)
def test_text_made_to_break_the_reader_is_refused_in_a_sentence(text: str) -> None:
    accepts_or_explains(text)


def test_an_empty_file_means_the_defaults() -> None:
    assert parse("") == CourseConfig()
    assert parse("").hub.port == 8080
    assert parse("").hub.session_ttl == 3600
    assert parse("").hub.trusted_header == "X-Remote-User"


def test_the_hubs_section_is_read() -> None:
    hub = parse('[hub]\nport = 9000\nnotebooks_dir = " work "\nsession_ttl = 60\n').hub
    assert (hub.port, hub.notebooks_dir, hub.session_ttl) == (9000, "work", 60)


def test_the_import_directory_is_called_import() -> None:
    assert parse('[dirs]\nimport = "incoming"\n').dirs.import_ == "incoming"


def test_sections_of_other_tools_are_accepted_and_ignored() -> None:
    text = "transport = 'https'\n[gradebook]\nanything = 1\n[penalties]\nx = 2\n[my-own-tool]\ny = 3\n"
    assert parse(text) == CourseConfig()


def test_assignments_keep_what_moodle_knows_and_ignore_the_rest() -> None:
    text = (
        '[[assignments]]\nname = "A1"\nid = 7\nfuture = true\n'
        '[[assignments.files]]\nname = "A1.py"\nurl = "https://m/1"\n'
    )
    assignment = parse(text).assignments[0]
    assert (assignment.name, assignment.id, assignment.files[0].url) == ("A1", 7, "https://m/1")


def test_a_misspelt_key_names_its_line_and_the_nearest_key() -> None:
    sentence = refusal('[dirs]\nsource = "s"\n\n[hub]\n# note\nsesion_ttl = 5\n')
    assert sentence.startswith(
        "mograder.toml:6: unknown key `sesion_ttl` in [hub]; did you mean `session_ttl`?"
    )


def test_a_misspelt_dotted_key_names_its_line() -> None:
    assert refusal("\nhub.prot = 5\n").startswith("mograder.toml:2: unknown key `prot` in [hub]")


def test_a_misspelt_section_names_its_line_and_the_nearest_section() -> None:
    assert refusal("\n[hubb]\nport = 1\n") == "mograder.toml:2: unknown section [hubb]; did you mean [hub]?"


def test_a_wrong_value_names_its_line_and_what_is_wrong() -> None:
    sentence = refusal('[hub]\nport = "high"\n')
    assert sentence.startswith("mograder.toml:2: hub.port = 'high': input should be a valid integer")


@pytest.mark.parametrize(
    "line",
    ["port = 65536", "port = -1", "session_ttl = 0", 'notebooks_dir = "  "', 'trusted_header = "X Remote"',
     'sandbox = "maybe"', "session_cpus = 0.0"],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused(line: str) -> None:
    assert refusal(f"[hub]\n{line}\n").startswith("mograder.toml:2: hub.")


def test_a_section_that_is_no_table_is_refused() -> None:
    assert refusal("hub = 3\n") == "mograder.toml:1: [hub] must be a table, not 3."


def test_broken_toml_names_line_and_column() -> None:
    assert refusal("[hub]\nport = \n").startswith("mograder.toml:2:8: not valid TOML:")


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file.*Tip: name the course with -C DIR"):
        load(tmp_path / FILE_NAME)


def test_a_file_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"[hub]\ntitle = '\xff'\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: can not be read")


def test_a_directory_in_its_place_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ConfigError, match="can not be read"):
        load(tmp_path / FILE_NAME)


def test_messages_of_a_loaded_file_start_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text("[hub]\nprot = 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:2: ")


def test_the_model_can_not_be_changed_after_it_was_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse("").hub.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "url",
    ["https://hub:99999", "https://[::1", "https://:443", "https://a:b", "https://hub:0", "https://a:1:2"],
)
def test_a_public_url_that_leads_nowhere_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ConfigError, match=r"mograder\.toml:2: hub\.public_url = .*write \"https://hub"):
        parse(f'[hub]\npublic_url = "{url}"\n')


@pytest.mark.parametrize("url", ["", "https://hub", "http://[::1]:8080/", "https://a.b:65535/c/d"])
def test_a_public_url_may_have_a_port_and_a_path(url: str) -> None:
    assert parse(f'[hub]\npublic_url = "{url}"\n').hub.public_url == url
