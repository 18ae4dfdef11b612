"""A damaged file of any format gives documents or a LoadError: never another exception, never a hang."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.load import CannotStart, Limits, LoadedDocument, Loader, LoadError
from tests.knowledge.load_files import docx, paragraph, pdf, prose, table, xlsx, zipped
from tests.knowledge.test_load_formats import RTF, epub, odt, pptx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 10.0
HTML = (
    '<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>退货</title></head><body><nav>Home</nav><main>'
    '<h1>退货</h1><p>三十天<a href="https://acme.example">内</a></p><ul><li>one<ol><li>two</ol></ul><table><tr><th>a'
    "<th>b<tr><td>1<td>2</table><pre>x</pre><dl><dt>t<dd>d</dl></main></body></html>"
)
FILES = {
    "a.md": "---\ntitle: 退货\ntags: [a, b]\n---\n\n# Returns\n\nSale\n----\n\n```\ncode\n```\n| a | b |\n".encode(),
    "a.rst": b"=====\nTitle\n=====\n\nPart\n----\n\ntext\n",
    "a.txt": "退货：您可以在收货后三十天内退货。".encode("gb18030"),
    "a.html": HTML.encode(),
    "a.pdf": pdf([prose(["Returns", "三十天内可以退货"]), prose(["Page two"])], title="T", outline=[("Returns", 0)]),
    "a.docx": docx(paragraph("Returns", "Heading1") + paragraph("三十天") + table([["a", "b"], ["1", "2"]])),
    "a.csv": 'id,问题,答案\n1,期限？,"三十\n天"\n2,b,c\n'.encode(),
    "a.xlsx": xlsx({"FAQ": [["问题", "答案"], ["期限？", 30]], "B": [["x", "y"], [1, 2.5]]}),
    "a.jsonl": b'{"id": "a", "text": "one", "metadata": {"x": 1}}\n{"question": "q", "answer": "a"}\n',
    "a.epub": zipped(epub()),
    "a.eml": b"Subject: Returns\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nText\n--b\n"
    b"Content-Type: text/html\n\n<p>x\n--b--",
    "a.pptx": pptx(),
    "a.odt": odt("<text:h>Returns</text:h><table:table><table:table-row/></table:table>"),
    "a.rtf": RTF,
    "a.adoc": b"= Returns\n\n----\ncode\n----\n",
    "a.json": json.dumps({"documents": [{"text": "one", "tags": ["a"]}]}).encode(),
}
Mutation = list[tuple[int, int, bytes]]


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader(Limits(seconds=SECONDS)) as loader:
        yield loader


def mutations() -> st.SearchStrategy[Mutation]:
    """Replacements: (position, in 1/10,000 of the file; number of bytes to remove; bytes to insert)."""
    pieces = st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b"\0" * 100, b"<" * 50, b"[" * 2_000, b"-1", b"999999999999", b"%s", b"\xff\xfe", b"\n"]),
    )
    return st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 40), pieces), min_size=1, max_size=6)


def mutated(data: bytes, mutation: Mutation) -> bytes:
    for place, removed, inserted in mutation:
        at = len(data) * place // 10_000
        data = data[:at] + inserted + data[at + removed :]
    return data


def outcome(loader: Loader, path: Path) -> list[LoadedDocument] | LoadError:
    result = attempt(loader, path)
    if isinstance(result, LoadError):
        assert not isinstance(result, CannotStart), result
        assert str(result).endswith((".", "}")), result  # a sentence, perhaps with an example at its end
    return result


def attempt(loader: Loader, path: Path) -> list[LoadedDocument] | LoadError:
    try:
        return loader.load(path)
    except LoadError as error:
        return error


@pytest.mark.parametrize("name", FILES)
def test_an_undamaged_file_is_read(name: str, loader: Loader, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    documents = loader.load(path)
    assert documents
    assert all(document.text.strip() and document.title for document in documents)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_gives_documents_or_a_load_error(name: str, loader: Loader, tmp_path: Path) -> None:
    path = tmp_path / name

    @settings(
        max_examples=40,
        deadline=SECONDS * 1_000,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations())
    def damage(mutation: Mutation) -> None:
        path.write_bytes(mutated(FILES[name], mutation))
        result = outcome(loader, path)
        if isinstance(result, list):
            assert all(document.text.strip() and document.title.isprintable() for document in result)
            assert len({document.key for document in result}) == len(result)

    damage()


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_at_any_place_gives_documents_or_a_load_error(name: str, loader: Loader, tmp_path: Path) -> None:
    path, data = tmp_path / name, FILES[name]
    for length in range(1, len(data), max(1, len(data) // 25)):
        path.write_bytes(data[:length])
        outcome(loader, path)


@pytest.mark.parametrize("name", FILES)
def test_content_of_another_format_gives_documents_or_a_load_error(name: str, loader: Loader, tmp_path: Path) -> None:
    path = tmp_path / name
    for data in FILES.values():
        path.write_bytes(data)
        outcome(loader, path)
