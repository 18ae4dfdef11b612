"""Reads DOCX: ``word`` makes its text what a person sees, and mammoth turns it into HTML. Pictures are not read."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from knowledge.load import archive, render, word
from knowledge.load.left_out import LeftOut
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

# mammoth finds styles by their English names. Word writes these in every language; some other programs do not.
STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='标题'] => h1:fresh
p[style-name='标题 1'] => h1:fresh
p[style-name='标题 2'] => h2:fresh
p[style-name='标题 3'] => h3:fresh
p[style-name='标题 4'] => h4:fresh
p[style-name='Code'] => pre:separator('\n')
p[style-name='HTML Preformatted'] => pre:separator('\n')
"""


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is the first heading, or the file's name without the suffix."""
    import mammoth

    archive.check(data, limits, kind="DOCX")
    left_out = LeftOut()
    result = mammoth.convert_to_html(
        io.BytesIO(word.prepared(data, left_out)),
        style_map=STYLES,
        include_embedded_style_map=False,
        convert_image=_no_image,
        external_file_access=False,
    )
    tree = render.tree(f"<html><body>{result.value}</body></html>")
    title = render.first_heading(tree) or PurePosixPath(name).stem
    yield LoadedDocument("", title, render.markdown(tree), left_out=left_out.take())


def _no_image(_image: Any, *_context: Any) -> list[Any]:
    return []
