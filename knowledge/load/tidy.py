"""Cleans the documents of all formats: removes harmful and invisible characters, and checks the limits.

Knows nothing about files and formats.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from knowledge.load import places
from knowledge.load.errors import Empty, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from knowledge.load.values import Limits, LoadedDocument

TITLE_CHARACTERS = 300
KEY_CHARACTERS = 200
URL_CHARACTERS = 2_000
METADATA_ENTRIES = 50
METADATA_CHARACTERS = 1_000

_NEWLINE = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Left behind by layout: controls, byte order marks and other non-characters, soft hyphens and zero-width spaces. What
# can deceive (marks that reverse the order of the text, tag characters) stays, so that it is seen: knowledge.remarks.
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u2060\ufeff\ufffe\uffff]")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LATIN = re.compile(r"[A-Za-z]")
_LANGUAGES = {"chinese": "zh", "中文": "zh", "汉语": "zh", "cn": "zh", "english": "en", "英文": "en", "英语": "en"}


def tidy(documents: Iterable[LoadedDocument], limits: Limits) -> Iterator[LoadedDocument]:
    """Yields the documents, cleaned. Raises TooLarge, and Empty when none has text."""
    count = characters = 0
    for document in documents:
        whole, known = places.cleaned(document.text, document.places, clean)
        text = whole.strip("\n")
        if not text.strip():
            continue
        count += 1
        characters += len(text)
        if count > limits.documents:
            raise TooLarge(
                "The file has more than {limit:,} documents. Split it into several files.",
                code="file_documents",
                limit=limits.documents,
            )
        if len(text) > limits.document_characters:
            raise TooLarge(
                "A document of the file has {length:,} characters; the limit is {limit:,}. Split it into several "
                "documents.",
                code="file_document_length",
                length=len(text),
                limit=limits.document_characters,
            )
        if characters > limits.text_characters:
            raise TooLarge(
                "The file has more than {limit:,} characters. Split it into smaller files.",
                code="file_text_length",
                limit=limits.text_characters,
            )
        title = line(document.title)[:TITLE_CHARACTERS] or line(text)[:TITLE_CHARACTERS]
        key = line(document.key)[:KEY_CHARACTERS]
        url = web_address(document.url)
        metadata = _metadata(document.metadata)
        known = known and known.without_start(whole, len(whole) - len(whole.lstrip("\n")))
        yield replace(document, key=key, title=title, text=text, url=url, metadata=metadata, places=known)
    if not count:
        raise Empty("There is no text in the file.", code="file_no_text")


def clean(text: str) -> str:
    """Valid, visible, composed (NFC) Unicode with ``\\n`` line ends."""
    text = _SURROGATE.sub("\ufffd", _UNSEEN.sub("", _NEWLINE.sub("\n", text)))
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def line(text: str) -> str:
    """The text on one line."""
    return " ".join(clean(text).split())


def web_address(url: str | None) -> str | None:
    """The address if a page may link to it (http or https, of a reasonable length), else None."""
    if not url or len(url) > URL_CHARACTERS:
        return None
    url = url.strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    whole = parts.scheme.lower() in {"http", "https"} and parts.netloc
    return url if whole and url.isprintable() and " " not in url else None


def language(name: str | None, text: str | None = None) -> str | None:
    """The primary language code for a language's name ("zh-Hans", "Chinese", "中文" → "zh"), or None.

    With ``text``, a name that the text clearly contradicts is ignored: many Chinese pages state "en".
    """
    code = (name or "").strip().lower().replace("_", "-")
    code = _LANGUAGES.get(code, code).split("-")[0]
    if not re.fullmatch("[a-z]{2,3}", code):
        return None
    if text is not None and code in {"en", "zh"}:
        sample = text[:20_000]
        han, latin = len(_HAN.findall(sample)), len(_LATIN.findall(sample))
        # A Han character carries about as much meaning as four letters; a page in one language quotes some of the
        # other.
        chinese = 4 * han / (4 * han + latin + 1)
        if (code == "en" and chinese > 0.6) or (code == "zh" and chinese < 0.1):
            return None
    return code


def _metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    pairs = ((line(name)[:100], clean(value).strip()[:METADATA_CHARACTERS]) for name, value in metadata.items())
    return dict([(name, value) for name, value in pairs if name and value][:METADATA_ENTRIES])
