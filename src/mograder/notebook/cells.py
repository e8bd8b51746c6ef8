"""The cells of a marimo notebook, found by parsing its text; nothing is ever run.

This reads all that marimo writes: ``@app.cell``, ``@app.function`` and ``@app.class_definition`` above a
definition, ``with app.setup:``, and ``app._unparsable_cell("…")`` for code that is not Python. A cell's code
is what the editor shows: the body without the function around it, without the final ``return``, moved to the
left margin.
"""

from __future__ import annotations

import ast
import itertools
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from mograder.notebook.dedent import dedent, string_lines
from mograder.notebook.text import Positions, indent_of, split_lines, unix_newlines

CellKind = Literal["cell", "function", "class", "setup", "unparsable"]

UNNAMED = "_"
_KINDS: dict[str, CellKind] = {"cell": "cell", "function": "function", "class_definition": "class"}
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Cell:
    """One cell.

    ``code`` is what the editor shows, without blanks around it. Lines count from 1 in the file:
    ``first_line`` is the decorator's, ``head_line`` that of the ``def`` or ``with``, and ``body_first`` to
    ``body_last`` hold the code (``body_last`` is smaller if there is none, or if it shares a line with its
    ``def``). ``returns`` are the names that other cells get. ``body`` holds the parsed statements without the
    final ``return``, and is empty if they do not parse.
    """

    name: str
    kind: CellKind
    code: str
    first_line: int
    head_line: int
    last_line: int
    body_first: int
    body_last: int
    returns: tuple[str, ...] = ()
    disabled: bool = False
    body: tuple[ast.stmt, ...] = field(default=(), compare=False, repr=False)


def find_cells(text: str, tree: ast.Module) -> tuple[Cell, ...]:
    """The cells of the notebook ``text``, whose syntax tree is ``tree``, in the order of the file.

    Raises:
        SyntaxError: the tokenizer does not agree with the parser (seen only in files made to break tools).
    """
    positions = Positions(text)
    return tuple(cell for node in tree.body if (cell := _cell(node, positions)))


def _cell(node: ast.stmt, positions: Positions) -> Cell | None:
    if isinstance(node, _Definition):
        for decorator in node.decorator_list:
            kind = _KINDS.get(_app_attribute(decorator))
            if kind == "cell" and not isinstance(node, ast.ClassDef):
                return _plain_cell(node, decorator, positions)
            if kind in ("function", "class"):
                return _definition_cell(node, decorator, kind, positions)
        return None
    if isinstance(node, ast.With | ast.AsyncWith) and len(node.items) == 1:
        context = node.items[0].context_expr
        return _setup_cell(node, positions) if _app_attribute(context) == "setup" else None
    return _unparsable_cell(node)


def _app_attribute(node: ast.expr) -> str:
    """``"cell"`` for ``app.cell`` and ``app.cell(…)``; empty for anything else."""
    target = node.func if isinstance(node, ast.Call) else node
    named = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
    return target.attr if named and target.value.id == "app" else ""  # type: ignore[attr-defined]


def _disabled(node: ast.expr) -> bool:
    keywords = node.keywords if isinstance(node, ast.Call) else []
    return any(
        word.arg == "disabled" and not (isinstance(word.value, ast.Constant) and not word.value.value)
        for word in keywords
    )


def _plain_cell(
    node: ast.FunctionDef | ast.AsyncFunctionDef, decorator: ast.expr, positions: Positions
) -> Cell:
    final = node.body[-1] if isinstance(node.body[-1], ast.Return) else None
    body = tuple(node.body[:-1] if final else node.body)
    colon_line = _header_end(positions.lines, node.lineno)
    first, last = colon_line + 1, _last_code_line(node, positions.lines)
    if node.body[0].lineno == colon_line:
        code, last = _inline_code(body, positions), colon_line
    elif final is None:
        code = _block_code(node, first, last, positions)
    else:
        lines = positions.lines[first - 1 : last]
        if last == final.lineno:  # x = 1; return x
            lines[-1] = lines[-1].encode()[: final.col_offset].decode()
        code = dedent(lines, string_lines(node, first))
    return Cell(
        name=node.name,
        kind="cell",
        code=code.strip(),
        first_line=node.decorator_list[0].lineno,
        head_line=node.lineno,
        last_line=max(last, node.end_lineno or last),
        body_first=first,
        body_last=last,
        returns=_returned_names(final),
        disabled=_disabled(decorator),
        body=body,
    )


def _last_code_line(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    """The last line of a cell's code: above the final ``return``, comments included."""
    final = node.body[-1]
    if not isinstance(final, ast.Return):
        return _with_trailing_comments(node, lines)
    before = node.body[-2].end_lineno if len(node.body) > 1 else 0
    return max(before or 0, final.lineno - 1)


def _inline_code(body: tuple[ast.stmt, ...], positions: Positions) -> str:
    if not body:
        return ""
    return unix_newlines(positions.text[positions.span(body[0])[0] : positions.span(body[-1])[1]])


def _definition_cell(node: _Definition, decorator: ast.expr, kind: CellKind, positions: Positions) -> Cell:
    first = (decorator.end_lineno or decorator.lineno) + 1
    last = _with_trailing_comments(node, positions.lines)
    return Cell(
        name=node.name,
        kind=kind,
        code=_block_code(node, first, last, positions).strip(),
        first_line=node.decorator_list[0].lineno,
        head_line=node.lineno,
        last_line=last,
        body_first=first,
        body_last=last,
        returns=(node.name,),
        disabled=_disabled(decorator),
        body=(node,),
    )


def _block_code(
    node: _Definition | ast.With | ast.AsyncWith, first: int, last: int, positions: Positions
) -> str:
    """The code in lines ``first`` to ``last``, without a comment behind the last statement.

    marimo drops that comment when it saves the cell; with it the code would seem to have been edited.
    """
    lines = positions.lines[first - 1 : last]
    end = (node.end_lineno or last) - first
    if 0 <= end < len(lines):
        lines[end] = lines[end].encode()[: node.end_col_offset].decode()
    return dedent(lines, string_lines(node, first))


def _setup_cell(node: ast.With | ast.AsyncWith, positions: Positions) -> Cell:
    first = _header_end(positions.lines, node.lineno) + 1
    last = _with_trailing_comments(node, positions.lines)
    if node.body[0].lineno < first:
        code, last = _inline_code(tuple(node.body), positions), first - 1
    else:
        code = _block_code(node, first, last, positions)
    return Cell(
        name="setup",
        kind="setup",
        # marimo writes this `pass` itself when the cell holds nothing but comments.
        code=code.rstrip().removesuffix("\npass").strip(),
        first_line=node.lineno,
        head_line=node.lineno,
        last_line=max(last, node.end_lineno or last),
        body_first=first,
        body_last=last,
        disabled=_disabled(node.items[0].context_expr),
        body=tuple(node.body),
    )


def _unparsable_cell(node: ast.stmt) -> Cell | None:
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or _app_attribute(call) != "_unparsable_cell" or len(call.args) != 1:
        return None
    argument = call.args[0]
    text = argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else ""
    names = [word.value for word in call.keywords if word.arg == "name"]
    name = names[0].value if names and isinstance(names[0], ast.Constant) else UNNAMED
    last = node.end_lineno or node.lineno
    return Cell(
        name=name if isinstance(name, str) else UNNAMED,
        kind="unparsable",
        code=dedent(split_lines(text), frozenset()).strip(),
        first_line=node.lineno,
        head_line=node.lineno,
        last_line=last,
        body_first=last + 1,
        body_last=last,
        disabled=_disabled(call),
    )


def _returned_names(final: ast.Return | None) -> tuple[str, ...]:
    value = final.value if final else None
    items = value.elts if isinstance(value, ast.Tuple) else [value]
    return tuple(item.id for item in items if isinstance(item, ast.Name))


def _header_end(lines: list[str], lineno: int) -> int:
    """The line of the colon that ends the ``def …:`` or ``with …:`` which starts in line ``lineno``."""
    depth = 0
    for token in _tokens(lines, lineno):
        if token.type != tokenize.OP:
            continue
        depth += (token.string in "([{") - (token.string in ")]}")
        if token.string == ":" and depth == 0:
            return lineno + token.start[0] - 1
    raise SyntaxError(f"line {lineno}: a definition without an end")


def _tokens(lines: list[str], lineno: int) -> Iterator[tokenize.TokenInfo]:
    numbers = itertools.count(lineno - 1)

    def next_line() -> str:
        number = next(numbers)
        return unix_newlines(lines[number]) if number < len(lines) else ""

    try:
        yield from tokenize.generate_tokens(next_line)
    except tokenize.TokenError as error:
        raise SyntaxError(f"line {lineno}: {error.args[0]}") from None


def _with_trailing_comments(node: _Definition | ast.With | ast.AsyncWith, lines: list[str]) -> int:
    """The last line of ``node``, and of the comments below it that are indented as its body is."""
    last = end = node.end_lineno or node.lineno
    indent = indent_of(lines[node.body[0].lineno - 1])
    if not indent:  # class A: pass
        return last
    for number in range(end, len(lines)):
        if lines[number].strip() and not lines[number].startswith(indent):
            break
        if lines[number].strip():
            last = number + 1
    return last
