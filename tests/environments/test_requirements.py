"""mograder.environments.requirements"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.environments import Requirements
from mograder.errors import EnvironmentFailed, Malformed, MograderError


def notebook(*entries: str, extra: str = "") -> str:
    lines = "".join(f'#     "{entry}",\n' for entry in entries)
    return f"# /// script\n# dependencies = [\n{lines}# ]\n{extra}# ///\nimport marimo\n"


def test_a_notebook_without_a_header_asks_for_nothing() -> None:
    assert Requirements.from_notebook("import marimo\n") == Requirements()


def test_the_same_packages_in_another_order_and_spelling_are_the_same() -> None:
    one = Requirements.from_notebook(notebook("numpy>=1.26", "pandas <3, >=2"), name="A1.py")
    other = Requirements.from_notebook(notebook("pandas>=2,<3", "numpy >= 1.26", "numpy>=1.26"), name="B.py")
    assert one == other


def test_mograder_is_provided_and_so_never_asked_for() -> None:
    assert Requirements.from_notebook(notebook("mograder>=9", "Mograder[hub]", "numpy")).dependencies == (
        "numpy",
    )


def test_a_package_is_remembered_with_its_line() -> None:
    requirements = Requirements.from_notebook(notebook("numpy", "Scikit_Learn"), name="A1.py")
    assert requirements.where("scikit-learn") == "A1.py:4"
    assert requirements.where("unheard-of") == "A1.py"


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((), ("marimo==0.25.2",)),
        (("marimo",), ("marimo==0.25.2",)),
        (("marimo>=0.19", "numpy"), ("marimo==0.25.2", "numpy")),
        (("marimo[sql]>=0.19",), ("marimo[sql]==0.25.2",)),
        (("marimo==0.23.0",), ("marimo==0.23.0",)),
        (("marimo<0.20", "numpy"), ("marimo<0.20", "numpy")),
    ],
)
def test_marimo_is_the_hubs_unless_the_notebook_insists(
    entries: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert Requirements.from_notebook(notebook(*entries)).with_marimo("0.25.2") == expected


@pytest.mark.parametrize(
    "entry",
    [
        "evil @ https://evil.example/evil-1.0-py3-none-any.whl",
        "evil @ file:///etc/passwd",
        "evil @ git+https://evil.example/evil",
    ],
)
def test_an_address_is_refused_with_its_line(entry: str) -> None:
    with pytest.raises(EnvironmentFailed, match=r"A1\.py:4: evil is asked for by its address"):
        Requirements.from_notebook(notebook("numpy", entry), name="A1.py")


@pytest.mark.parametrize(
    "entry",
    [
        "-r /etc/passwd",
        "--index-url https://evil.example",
        "numpy\\n--pre",
        "../here",
        "",
        "numpy==",
        "numpy;",
    ],
)
def test_what_is_no_requirement_is_refused(entry: str) -> None:
    with pytest.raises(EnvironmentFailed, match=r"A1\.py:\d+: .* is not a package requirement"):
        Requirements.from_notebook(notebook(entry), name="A1.py")


@given(st.text(st.characters(exclude_characters='"\\\r', exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_whatever_is_written_becomes_one_safe_line_or_an_error(entry: str) -> None:
    try:
        dependencies = Requirements.from_notebook(notebook(entry)).dependencies
    except MograderError:
        return
    for line in dependencies:
        assert line.isprintable()
        assert line[0].isalnum()
        assert "@" not in line.partition(";")[0]


@pytest.mark.parametrize("value", ["3", '["numpy", 3]', '"numpy"'])
def test_dependencies_that_are_no_list_of_strings_are_refused(value: str) -> None:
    with pytest.raises(EnvironmentFailed, match="must be a list of strings"):
        Requirements.from_notebook(f"# /// script\n# dependencies = {value}\n# ///\n")


def test_a_header_that_is_not_toml_is_refused_with_its_line() -> None:
    with pytest.raises(Malformed, match=r"A1\.py:2"):
        Requirements.from_notebook("# /// script\n# dependencies = [\n# ///\n", name="A1.py")


def test_a_python_that_the_hub_is_not_is_said() -> None:
    requirements = Requirements.from_notebook(notebook(extra='# requires-python = ">=3.13"\n'), name="A1.py")
    requirements.check_python("3.13.1")
    with pytest.raises(
        EnvironmentFailed, match=r"A1\.py asks for Python >=3\.13, and the hub runs Python 3\.11\.7\."
    ):
        requirements.check_python("3.11.7")


def test_a_python_range_that_is_none_is_refused() -> None:
    with pytest.raises(EnvironmentFailed, match="is not a range of versions"):
        Requirements.from_notebook(notebook(extra='# requires-python = "new"\n'))
