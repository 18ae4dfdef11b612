"""Turns bytes into text: finds the encoding. Knows nothing about formats.

Order: byte order mark; UTF-8 without an error; the encoding that the document declares; Chinese (GB18030 or Big5) by
the values of its bytes; any other encoding by charset-normalizer. Guessers alone mistake a short GB18030 file for
Korean or Cyrillic. The Chinese test comes first because the product is made for Chinese and English.
"""

from __future__ import annotations

import codecs
import re

from knowledge.load.errors import Unsupported
from retrieval.phrases import Phrase

SAMPLE_BYTES = 200_000
CHINESE_SHARE = 0.85  # of all two-byte characters: text has above 0.97 in its own encoding, below 0.75 in the other
UTF8_FAULTS = 0.001  # of all characters: a UTF-8 file with a few broken characters, not another encoding
CONTROLS = 0.01  # of all characters; text has none but newline, tab and page break

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PDF = Phrase.of("a PDF", code="kind_pdf")
_ZIP = Phrase.of("a DOCX, XLSX or ZIP file", code="kind_zip")
_OLD_OFFICE = Phrase.of("an old Office file (DOC, XLS)", code="kind_old_office")
_PICTURE = Phrase.of("a picture", code="kind_picture")
_COMPRESSED = Phrase.of("a compressed file", code="kind_compressed")
_PROGRAM = Phrase.of("a program", code="kind_program")
_DATABASE = Phrase.of("a database", code="kind_database")
_OTHER_FILES = (
    (b"%PDF", _PDF),
    (b"PK\x03\x04", _ZIP),
    (b"\xd0\xcf\x11\xe0", _OLD_OFFICE),
    (b"\x89PNG", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"\x1f\x8b", _COMPRESSED),
    (b"7z\xbc\xaf", _COMPRESSED),
    (b"Rar!", _COMPRESSED),
    (b"\x7fELF", _PROGRAM),
    (b"SQLite format 3", _DATABASE),
)
# The other encodings to try. charset-normalizer knows 90 more, and wrongly finds them in short files.
_GUESSES = ["cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "shift_jis", "euc_jp",
            "cp949", "big5", "gb18030"]  # fmt: skip
# Characters that Western European text does not have. Guessers mistake "señor" for Polish; Polish and Cyrillic text
# that is read as Western is full of these characters.
_NOT_WESTERN = re.compile("[^\x00-\x7f\xa0À-ÖØ-öø-ÿ‘’‚“”„–—…•€£§©®°²³½«»·¡¿´ŒœŠšŽžŸ]|[À-ÖØ-öø-ÿ]{3}|[³½²][a-z]")
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]|[\x80-\xff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def decode(data: bytes, *, declared: str | None = None) -> str:
    """The text of a file. ``declared`` is the encoding that the document itself states.

    Raises Unsupported when the bytes are not text, or in an unknown encoding.
    """
    for start, kind in _OTHER_FILES:
        if data.startswith(start):
            raise Unsupported(
                "The file is not text but {kind}. Give it the right suffix.", code="file_other_kind", kind=kind
            )
    text = _marked(data) or _unmarked(data, declared)
    if len(_CONTROL.findall(text)) > CONTROLS * len(text):
        raise Unsupported("The file is not text: it is full of control characters.", code="file_control_characters")
    return text


def _marked(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return ""


def _unmarked(data: bytes, declared: str | None) -> str:
    if wide := _utf16(data):
        return data.decode(wide, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    for encoding in (_python_name(declared), _chinese(data)):
        if encoding and (text := _strict(data, encoding)):
            return text
    lenient = data.decode("utf-8", "replace")
    faults = lenient.count("\ufffd")
    several = len(lenient) - len(re.findall("[\x00-\x7f]", lenient)) - faults
    if faults <= max(1, UTF8_FAULTS * len(lenient)) and several > 20 * faults:
        return lenient
    western = _strict(data, "cp1252")
    return western if western and not _NOT_WESTERN.search(western) else _guess(data)


def _utf16(data: bytes) -> str:
    """UTF-16 without its mark, as some Windows programs write it: every other byte of Western text is zero."""
    sample = data[:SAMPLE_BYTES]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 0.4 * len(sample) / 2 and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * len(sample) / 2 and odd == 0 else ""


def _python_name(declared: str | None) -> str:
    """The codec for a declared encoding; GB18030 for GB 2312 and GBK, its predecessors, which files often declare
    instead."""
    name = (declared or "").strip().lower()
    try:
        name = codecs.lookup(name).name if name else ""
    except (LookupError, ValueError):
        return ""
    text_only = name.startswith(("gb", "big5", "cp", "iso8859", "koi8", "shift", "euc", "utf", "mac", "hz"))
    return {"gb2312": "gb18030", "gbk": "gb18030"}.get(name, name) if text_only else ""


def _chinese(data: bytes) -> str:
    """The encoding in which most characters are common ones: gb18030, big5hkscs, or "" for neither."""
    pairs = [pair for pair in _PAIR.findall(data[:SAMPLE_BYTES]) if len(pair) == 2]
    if not pairs:
        return ""
    simplified = sum(_common_gb(pair[0], pair[1]) for pair in pairs)
    traditional = sum(_common_big5(pair[0], pair[1]) for pair in pairs)
    # Korean in EUC-KR uses only the first half of GB 2312's common characters; Chinese uses all of them.
    korean = len(pairs) >= 20 and not any(0xC9 <= pair[0] <= 0xD7 for pair in pairs)
    best, encoding = (traditional, "big5hkscs") if traditional > simplified else (simplified, "gb18030")
    enough = best >= CHINESE_SHARE * len(pairs)
    return encoding if enough and not (korean and encoding == "gb18030") else ""


def _common_gb(lead: int, trail: int) -> bool:
    """GB 2312 level 1 (3,755 characters, 99.7 % of running text) and its punctuation and full-width forms."""
    return trail >= 0xA1 and (0xB0 <= lead <= 0xD7 or 0xA1 <= lead <= 0xA3)


def _common_big5(lead: int, trail: int) -> bool:
    """Big5 level 1 (5,401 characters) and its punctuation."""
    return 0xA1 <= lead <= 0xC6 and (trail <= 0x7E or trail >= 0xA1)


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return ""


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:SAMPLE_BYTES], cp_isolation=_GUESSES).best()
    if best is None:
        raise Unsupported(
            "The file is not text, or its encoding cannot be recognised. Save it as UTF-8.", code="file_binary"
        )
    return data.decode(best.encoding, "replace")
