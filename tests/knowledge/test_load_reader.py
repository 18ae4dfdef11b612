"""The version of the reader is raised with every change of what it reads: stored documents are compared by it."""

from __future__ import annotations

import hashlib
import json

from knowledge.load import READER, Limits
from knowledge.load.child import documents
from tests.knowledge.load_files import docx, grid, paragraph, pdf, prose, table, xlsx, zipped
from tests.knowledge.test_load_formats import epub, pptx

# (version of the reader, hash of what it reads of the files below). Who changes what is read raises READER, and notes
# both here.
READ_BY = (2, "d6ff20990122b1d7")

PROSE = "Goods may be returned within 14 days.\n\nMoney comes back within 5 days."
MARKDOWN = f"---\ntitle: Shop\nregion: north\n---\n\nReturns\n=======\n\n{PROSE}\n\nname | days\n--- | ---\nshoe | 14\n"
PAGE = (
    '<html lang="en"><title>Shop</title><nav><a href="/">Home</a></nav><h1>Shop</h1><ul><li>One<li>Two</ul>'
    '<table><tr><th>name<th>days<tr><td rowspan="2">shoe<td>14<tr><td>15</table><p hidden>4711</p><pre>ls -l</pre>'
)
PLAIN = f"1. Returns\n\n{PROSE}\n\n2. 退货\n\n十四天之内可以退货，请填写退货单并将包裹寄到退货单上写明的那个\n地址。\n"
ROWS = [["Price list"], ["wash", "euros"], ["small", 5], ["large", 9.5]]
BOXES, DRAWN = grid([["name", "days"], ["shoe", "14"]], top=400)
FILES: dict[str, bytes] = {
    "a.md": MARKDOWN.encode(),
    "a.txt": PLAIN.encode("gb18030"),
    "a.rst": b"Shop\n====\n\n.. _here:\n\nReturns\n-------\n\nWithin 14 days.\n",
    "a.adoc": b"= Shop\n\n== Returns\n\n----\nls\n----\n",
    "a.html": PAGE.encode(),
    "a.csv": b"question,answer,product\nWhen?,At nine.,shoe\n",
    "a.tsv": b"day\topen\nMonday\t9\n",
    "a.jsonl": b'{"id": "x", "title": "Shop", "text": "Within 14 days.", "metadata": {"region": "north"}}\n',
    "a.json": b'[{"question": "When?", "answer": "At nine."}]',
    "a.xlsx": xlsx({"Prices": ROWS, "Hours": [["day", "open"], ["Monday", "nine"]]}),
    "a.docx": docx(paragraph("Returns", "Heading1") + paragraph("Within 14 days.") + table([["a", "b"], ["1", "2"]])),
    "a.pdf": pdf([[*prose(["Returns"], size=20, top=750), *prose(PROSE.split("\n\n")), *BOXES]], boxes=[DRAWN]),
    "a.epub": zipped(epub()),
    "a.pptx": pptx(),
    "a.eml": b"Subject: Shop\nFrom: a@acme.example\n\nWithin 14 days.\n",
    "a.rtf": b"{\\rtf1 Within {\\strike 10} 14 days.\\par Money comes back.}",
}


def test_a_reader_that_reads_another_text_has_another_version() -> None:
    read = {
        name: [
            (document.key, document.title, document.text, document.language, document.url, dict(document.metadata))
            for document in documents(data, name, Limits())
        ]
        for name, data in FILES.items()
    }
    text = json.dumps(read, ensure_ascii=False, sort_keys=True)
    assert (READER, hashlib.sha256(text.encode()).hexdigest()[:16]) == READ_BY
