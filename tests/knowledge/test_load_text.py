from __future__ import annotations

import pytest

from knowledge.load import Unsupported
from knowledge.load.text import decode
from knowledge.load.tidy import clean, language, web_address

CHINESE = "退货：您可以在收货后三十天内退货，特价商品除外。"
TRADITIONAL = "退貨：您可以在收貨後三十天內退貨，特價商品除外。請填寫退貨單。"
MIXED = "TiDB Cloud 的连接数上限是 5000"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "utf-8"),
        (CHINESE, "utf-8-sig"),
        (CHINESE, "utf-16"),
        (CHINESE, "gb18030"),
        ("退货", "gb18030"),
        (MIXED, "gb18030"),
        (CHINESE * 50 + "镕喆", "gb18030"),
        ("𠮷野家 " + CHINESE, "gb18030"),
        (TRADITIONAL, "big5"),
        ("退貨期限", "big5"),
        ("Returns: 30 days", "utf-16-le"),
        ("The café in Zürich is closed on Sundays, señor.", "cp1252"),
        ("Возврат товара возможен в течение тридцати дней после получения.", "cp1251"),
        ("商品は三十日以内に返品できます。ご連絡ください。", "shift_jis"),
        ("반품은 물건을 받은 날부터 삼십일 이내에 할 수 있습니다.", "cp949"),
        ("A € sign and 😀", "utf-8"),
    ],
)
def test_decode_finds_the_encoding(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_decode_uses_the_encoding_that_a_document_declares() -> None:
    # 0xE9 0x61 is "éa" in Western Europe and a rare character in Chinese encodings
    assert decode("créa".encode("latin-1"), declared="iso-8859-1") == "créa"
    assert decode("镕喆".encode("gb18030"), declared="gb2312") == "镕喆"
    assert decode(CHINESE.encode(), declared="iso-8859-1") == CHINESE  # valid UTF-8 is UTF-8
    assert decode(CHINESE.encode("gb18030"), declared="no such thing") == CHINESE
    assert decode(CHINESE.encode("gb18030"), declared="base64") == CHINESE


def test_decode_accepts_a_broken_character() -> None:
    assert decode(CHINESE.encode() + b"\xff") == CHINESE + "\ufffd"


@pytest.mark.parametrize(
    "data",
    [b"%PDF-1.7 ...", b"PK\x03\x04....", b"\x89PNG\r\n", b"\xd0\xcf\x11\xe0", bytes(range(256)) * 20, b"ab\0" * 9],
)
def test_decode_refuses_bytes_that_are_not_text(data: bytes) -> None:
    with pytest.raises(Unsupported):
        decode(data)


def test_clean_removes_invisible_characters() -> None:
    assert clean("a\x00b\u200bc\ufeffd\xade") == "abcde"
    assert clean("a\u202eb\U000e0041c\u2066d") == "a\u202eb\U000e0041c\u2066d"  # kept, so that a curator sees it
    assert clean("a\r\nb\rc\u2028d") == "a\nb\nc\nd"
    assert clean("half \ud800 \udc00") == "half \ufffd \ufffd"
    assert clean("cafe\u0301") == "café"
    assert clean("👨‍👩‍👧 tab\tkept") == "👨‍👩‍👧 tab\tkept"


def test_web_address_allows_only_addresses_that_a_page_may_link_to() -> None:
    assert web_address(" https://acme.example/a?b=c ") == "https://acme.example/a?b=c"
    for bad in ("javascript:alert(1)", "file:///etc/passwd", "/relative", "https://", "https://a b", "http://[", ""):
        assert web_address(bad) is None
    assert web_address("https://acme.example/" + "x" * 3_000) is None


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("zh-CN", None, "zh"),
        ("en_US", None, "en"),
        ("中文", None, "zh"),
        ("English", None, "en"),
        ("fr", None, "fr"),
        ("x-klingon", None, None),
        ("", None, None),
        ("en", CHINESE, None),
        ("zh", "Returns are free for thirty days.", None),
        ("zh", MIXED, "zh"),
        ("en", "The word 退货 means return, as in returning a parcel to a shop.", "en"),
    ],
)
def test_language_is_the_stated_one_unless_the_text_contradicts(
    name: str, text: str | None, expected: str | None
) -> None:
    assert language(name, text) == expected
