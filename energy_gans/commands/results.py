r"""What every command returns: numbers, tensors and paths, which notebooks show."""

from __future__ import annotations

import base64
import html
import io

from PIL import Image


class Result:
    r"""The result of a command: a frozen dataclass.

    Its text, `str(result)`, is what the command line prints when the command ends. A notebook
    shows its `picture`, a PIL image, or its `table` in Markdown, or both, if it has them.
    """

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str | None:
        return getattr(self, "table", None) or None

    def _repr_png_(self) -> bytes | None:
        picture = getattr(self, "picture", None)
        return None if picture is None else _png(picture)

    def _repr_html_(self) -> str | None:
        # A notebook shows one form only, and this is the form that holds both.
        table, picture = self._repr_markdown_(), self._repr_png_()
        if table is None or picture is None:
            return None
        source = base64.b64encode(picture).decode()
        return f'{_html_table(table)}<img src="data:image/png;base64,{source}">'


def _png(picture: Image.Image) -> bytes:
    r"""Returns a picture as the bytes of a PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _html_table(table: str) -> str:
    r"""Returns a table in Markdown as HTML; other lines become paragraphs after it."""
    lines = [line for line in table.splitlines() if line]
    rows = [line.strip("| ").split("|") for line in lines if line.startswith("|")]
    # The second row separates the heading.
    cells = [
        "".join(f"<{tag}>{html.escape(cell.strip())}</{tag}>" for cell in row)
        for tag, row in [("th", rows[0]), *(("td", row) for row in rows[2:])]
    ]
    notes = [f"<p>{html.escape(line)}</p>" for line in lines if not line.startswith("|")]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table>{body}</table>{''.join(notes)}"
