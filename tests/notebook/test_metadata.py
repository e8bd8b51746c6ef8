"""``mograder.notebook.metadata``: the header read and written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.errors import Malformed
from mograder.notebook import metadata

HEADER = """\
#!/usr/bin/env -S uv run
# -*- coding: utf-8 -*-
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "numpy",  # arrays
# ]
#
# # how it looks
# [tool.marimo.display]
# theme = "light"
# ///
# not part of it

import marimo
"""
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.booleans()
CHANGES = st.dictionaries(
    st.sampled_from(["mograder-assignment", "mograder-type", "dependencies", "x"]), VALUES | st.none()
)


def test_the_keys_are_read_as_plain_values() -> None:
    assert metadata.read(HEADER) == {
        "requires-python": ">=3.11",
        "dependencies": ["numpy"],
        "tool": {"marimo": {"display": {"theme": "light"}}},
    }


def test_a_notebook_without_a_header_has_no_keys() -> None:
    assert metadata.read("import marimo\n# /// other\n# ///\n") == {}


def test_new_keys_go_above_the_tables_and_nothing_else_changes() -> None:
    written = metadata.write(HEADER, {"mograder-assignment": 'A"1', "mograder-hidden-tests": True})
    added = '# mograder-assignment = "A\\"1"\n# mograder-hidden-tests = true\n'
    assert written == HEADER.replace("# ]\n", f"# ]\n{added}")


def test_a_key_that_is_there_keeps_its_place() -> None:
    once = metadata.write(HEADER, {"a": "1", "b": "2"})
    assert metadata.write(once, {"a": "3"}) == once.replace('a = "1"', 'a = "3"')


def test_a_removed_key_leaves_no_trace() -> None:
    assert metadata.write(metadata.write(HEADER, {"a": "1"}), {"a": None, "never": None}) == HEADER


def test_a_header_is_made_below_the_lines_that_must_be_first() -> None:
    text = "#!/usr/bin/python\n# -*- coding: utf-8 -*-\nimport marimo\n"
    written = metadata.write(text, {"mograder-assignment": "A1"})
    header = '# /// script\n# mograder-assignment = "A1"\n# ///\n\n'
    assert written == text.replace("import", f"{header}import")


def test_no_header_is_made_for_nothing() -> None:
    assert metadata.write("import marimo\n", {"a": None}) == "import marimo\n"


def test_the_file_keeps_its_line_ends() -> None:
    written = metadata.write(HEADER.replace("\n", "\r\n"), {"a": "1"})
    assert not re.search(r"(?<!\r)\n", written)
    assert metadata.read(written)["a"] == "1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "# /// script\n# ///\nx = 1\n# /// script\n# ///\n",
            "A1.py:4: a second script header; the first is in line 1",
        ),
        ("\n# /// script\n# a = 1\nx\n", "A1.py:2: the script header has no end"),
        ("# /// script\n# a = 1\n# b = \n# ///\n", "A1.py:3: the header is not TOML: Invalid value"),
        (
            "# /// script\n# a = 1\n# a = 2\n# ///\n",
            "A1.py:3: the header is not TOML: Cannot overwrite a value",
        ),
    ],
)
def test_a_broken_header_is_an_error_with_its_line(text: str, sentence: str) -> None:
    for action in (lambda: metadata.read(text, "A1.py"), lambda: metadata.write(text, {"a": "b"}, "A1.py")):
        with pytest.raises(Malformed) as caught:
            action()
        assert str(caught.value).startswith(sentence)


def test_a_closing_line_followed_by_more_is_content() -> None:
    text = '# /// script\n# a = """\n# ///\n# """\n# ///\n'
    assert metadata.read(text) == {"a": "///\n"}


def test_a_header_that_can_not_be_added_to_safely_is_refused() -> None:
    with pytest.raises(Malformed, match="without changing its meaning"):
        metadata.write("# /// script\n# a = nan\n# ///\n", {"b": "c"})  # nan is never what it was


def test_a_bracket_inside_a_string_is_no_table() -> None:
    text = '# /// script\n# a = """\n# [b]\n# """\n# [c]\n# ///\n'
    assert metadata.read(metadata.write(text, {"d": "e"})) == {"a": "[b]\n", "d": "e", "c": {}}


@given(CHANGES, CHANGES)
def test_what_is_written_is_read_and_all_else_stays(
    first: dict[str, str | bool | None], second: dict[str, str | bool | None]
) -> None:
    for text in (HEADER, "import marimo\n"):
        expected = metadata.read(text)
        written = text
        for changes in (first, second):
            written = metadata.write(written, changes)
            expected = {key: value for key, value in (expected | changes).items() if value is not None}
        assert metadata.read(written) == expected
        assert written.endswith("import marimo\n")
        assert metadata.write(written, second) == written


@given(st.text(st.sampled_from("# /script\n[]=\"'a1.{}\r\\"), max_size=60))
def test_any_header_is_read_or_refused(content: str) -> None:
    text = "# /// script\n" + "\n".join(f"# {line}" for line in content.split("\n")) + "\n# ///\n"
    try:
        before = metadata.read(text)
        written = metadata.write(text, {"mograder-type": "lecture"})
    except Malformed:
        return
    assert metadata.read(written) == before | {"mograder-type": "lecture"}
