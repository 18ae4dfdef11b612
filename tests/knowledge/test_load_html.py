from __future__ import annotations

import contextlib
import time

import pytest

from knowledge.load import Damaged, Empty, Limits, LoadedDocument, LoadError, TooLarge, markup
from knowledge.load.child import documents


def load(page: str | bytes, name: str = "page.html") -> LoadedDocument:
    (document,) = documents(page.encode() if isinstance(page, str) else page, name, Limits())
    return document


def text(body: str) -> str:
    return load(f"<html><body>{body}</body></html>").text


def test_html_small_page_is_read_whole_without_menus() -> None:
    page = """<!doctype html><html lang="en"><head><title>Returns | Acme</title>
    <link rel="canonical" href="https://acme.example/returns"><style>p {}</style></head><body>
    <header><a href="/">Acme</a></header><nav><a href="/">Home</a></nav>
    <h1>Returns</h1><p>Within <b>30 days</b>.</p><script>alert("x")</script>
    <details><summary>Who pays?</summary><div hidden>We do.</div></details>
    <footer>© Acme</footer></body></html>"""
    assert load(page) == LoadedDocument(
        key="",
        title="Returns",
        text="# Returns\n\nWithin 30 days.\n\nWho pays?\n\nWe do.",
        language="en",
        url="https://acme.example/returns",
    )


def test_html_main_part_of_a_large_page_is_found_with_its_headings() -> None:
    menu = "".join(f'<li><a href="/p{n}">Some product number {n} of the large shop</a></li>' for n in range(80))
    parts = "".join(
        f"<h2>Part {n}</h2><p>Parcels of kind {n} can be returned within {n + 10} days after they were delivered, if"
        f" they are unworn and complete. The refund for kind {n} is paid to the card that was used.</p>"
        for n in range(15)
    )
    menu = f"<div><ul>{menu}</ul></div>"
    page = f"<html><title>Rules</title><body>{menu}<div><div id=x>{parts}</div></div>{menu}"
    document = load(page)
    assert "Some product" not in document.text
    assert [line for line in document.text.split("\n") if line.startswith("#")] == [f"## Part {n}" for n in range(15)]


def test_html_main_element_is_taken_as_the_main_part() -> None:
    aside = "<div>" + "<p>Something else entirely that fills the page.</p>" * 60 + "</div>"
    main = "<main>" + "<p>The return of parcels is free of charge.</p>" * 40 + "</main>"
    assert "Something else" not in load(f"<body>{aside}{main}</body>").text


@pytest.mark.parametrize(
    ("title", "body", "expected"),
    [
        ("What is it? - The Book", "<h1>The Book</h1><main><h2>What Is It?</h2><p>x</p></main>", "What Is It?"),
        ("Acme | Returns", "<h1>Returns<a href=#>¶</a></h1><p>x", "Returns"),
        ("Returns", "<h1>Acme</h1><p>x", "Returns"),
        ("", "<h2>Returns</h2><p>x", "Returns"),
        ("", "<p>x", "page"),
    ],
)
def test_html_title_is_the_page_and_not_the_site(title: str, body: str, expected: str) -> None:
    assert load(f"<html><head><title>{title}</title></head><body>{body}</body></html>").title == expected


def test_html_lists_tables_code_and_quotes() -> None:
    body = """<ol start=3><li>one<ul><li>a</li><li>b</li></ul></li><li><p>two</p><p>more</p></li></ol>
    <table><caption>Days</caption><tr><th>Item<th>Days</tr><tr><td>Shoe | boot<td>30</tr></table>
    <pre><code class=x>if a:
    return "#1"</code></pre><blockquote><p>said</p><p>and done</p></blockquote>
    <p>Use <code>errata  serve</code>,<br>or 10 m<sup>2</sup></p><dl><dt>Term<dd>Meaning</dl>"""
    assert text(body) == (
        "3. one\n   - a\n   - b\n4. two\n   more\n\nDays\n\n| Item | Days |\n| --- | --- |\n| Shoe \\| boot | 30 |\n\n"
        '```\nif a:\n    return "#1"\n```\n\n> said\n>\n> and done\n\nUse `errata serve`,\nor 10 m^2\n\nTerm\n\nMeaning'
    )


def test_html_layout_tables_become_plain_text() -> None:
    assert text("<table><tr><td><h2>Left</h2><p>a</p></td><td><p>b</p></td></tr></table>") == "## Left\n\na\n\nb"


def test_html_keeps_few_links_and_drops_many() -> None:
    link = '<a href="https://acme.example/form">form</a>'
    assert text(f"<p>Fill in the {link}.</p>") == "Fill in the [form](https://acme.example/form)."
    assert text(f"<p>{link} {link} {link}</p>") == "form form form"
    assert text('<p>the <a href="/x">shop</a> <a href="javascript:x()">y</a></p>') == "the shop y"


def test_html_joins_chinese_lines_without_a_space() -> None:
    assert text("<p>您可以在三十天内\n   退货，<b>特价</b>\n除外</p>") == "您可以在三十天内退货，特价除外"


def test_html_paragraph_that_looks_like_a_heading_is_escaped() -> None:
    assert text("<p># 1 in the country</p><h3>Real<br>one</h3>") == "\\# 1 in the country\n\n### Real one"


@pytest.mark.parametrize("declared", ["gb2312", "utf-8", ""])
def test_html_reads_gb18030_whatever_it_declares(declared: str) -> None:
    page = f'<html lang="en"><head><meta charset="{declared}"><title>退货</title></head><body>三十天内可以退货。'
    document = load(page.encode("gb18030"))
    assert (document.title, document.text, document.language) == ("退货", "三十天内可以退货。", None)


def test_html_deep_nesting_is_flattened_or_refused() -> None:
    assert text("<div>" * 1_000 + "deep" + "</div>" * 1_000 + "<p>after</p>") == "deep\n\nafter"
    assert text("<b>" * 1_000 + "deep") == "deep"
    assert text("<ul><li>" * 400 + "deep").endswith("deep")
    with pytest.raises(Damaged, match="nested too deeply"):
        text("<div>" * 5_000 + "deep")


def test_html_without_text_is_empty() -> None:
    with pytest.raises(Empty):
        load("<html><head><title>x</title></head><body><img src=a.png><script>1</script></body></html>")


def test_html_does_not_open_entities() -> None:
    page = '<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><html><body><p>a &x; b</p></body></html>'
    assert "root:" not in load(page).text


MANY = " ".join(f"a{number}=1" for number in range(200_000))


@pytest.mark.parametrize(
    "body",
    [
        f"<p {MANY}>text</p>",
        f"<p>text</p {MANY}>",
        f'<p title="a > b" {MANY}',
        f"<!--><p {MANY}> -->",
        f"<script>x</script><p/{MANY.replace(' ', '/').replace('=1', '')}>",
        f'<p a=x"><b {MANY}>"',
        "<p " + "a='1'" * 200_000 + ">",
    ],
)
def test_html_with_very_many_attributes_is_refused_at_once(body: str) -> None:
    started = time.process_time()
    with pytest.raises(TooLarge) as caught:
        text(body)
    assert caught.value.code == "html_attributes"
    assert time.process_time() - started < 2


def test_html_with_very_many_tags_is_refused_at_once() -> None:
    started = time.process_time()
    with pytest.raises(TooLarge) as caught:
        text("<i>x" * 2_100_000)
    assert caught.value.code == "html_tags"
    assert time.process_time() - started < 10


@pytest.mark.parametrize("opening", ["<script>", "<style>", "<!--", '<p a="', "<p a='", "<p a=", "<", "</p ", "<p/"])
def test_html_that_is_never_closed_is_scanned_in_time_proportional_to_its_length(opening: str) -> None:
    started = time.process_time()
    with contextlib.suppress(LoadError):
        markup.check(opening * 200_000)
    assert time.process_time() - started < 2


def test_html_words_in_scripts_comments_and_values_are_no_attributes() -> None:
    words = "if(a<b) " + "word " * 1_000
    page = f'<script>{words}</script><style>{words}</style><!-- <p {words}> --><p title="{words}" id=x>text</p>'
    assert text(page) == "text"


def test_html_with_many_links_inside_each_other_takes_time_proportional_to_its_length() -> None:
    started = time.process_time()
    assert text("<p>some text of the page</p>" * 200 + "<span><a href=x>a" * 900 + "<i>x</i>" * 30_000)
    assert time.process_time() - started < 5


def test_html_that_nobody_sees_is_not_read_and_is_counted() -> None:
    page = """<html><head><style>.inner, p.old > b { display: none } .gone { text-decoration: line-through }
    @media print { h2 { display: none } }</style></head><body><h1>Museum</h1><h2>Visit</h2>
    <p style="color: red; display : NONE !important">Opens at noon.</p><p>Opens at ten.</p><p hidden>Free.</p>
    <div class="inner">Code 3391.</div><p class="old">Nine <b>ten</b> euros.</p><div style="visibility:hidden">x</div>
    <p>Until <s>8</s> 6 <del>pm</del> <span class="gone">daily</span> weekdays.</p></body></html>"""
    document = load(page)
    assert document.text == "# Museum\n\n## Visit\n\nOpens at ten.\n\nNine euros.\n\nUntil 6 weekdays."
    assert document.left_out == {"hidden_parts": 5, "struck_out": 3}


def test_html_that_a_click_opens_is_read() -> None:
    page = """<h1>Questions</h1><button aria-controls="a1">Who pays?</button><div id="a1" hidden>We do.</div>
    <a href="#a2">How long?</a><div id="a2" style="display:none">Thirty days.</div>
    <div role="tabpanel" hidden>Second tab.</div><p hidden="until-found">Found by search.</p>"""
    for words in ("We do.", "Thirty days.", "Second tab.", "Found by search."):
        assert words in load(page).text


def test_html_cells_that_span_rows_and_columns_give_their_text_to_each() -> None:
    table = """<table><tr><th colspan=3>Cables 2026</th></tr><tr><th>Jacket<th>Length<th>Code</tr>
    <tr><td rowspan=2>Red<td>2 m<td>K1</tr><tr><td>5 m<td>K2</tr><tr><td>Grey<td colspan=2>not for sale</tr></table>"""
    assert text(table).split("\n") == [
        "Cables 2026",
        "",
        "| Jacket | Length | Code |",
        "| --- | --- | --- |",
        "| Red | 2 m | K1 |",
        "| Red | 5 m | K2 |",
        "| Grey | not for sale | not for sale |",
    ]


def test_html_spans_cannot_make_a_table_larger_than_its_rows() -> None:
    table = "<table><tr><td>a<td>b</tr>" + '<tr><td rowspan="999999" colspan="999999">x<td>y</tr>' * 40 + "</table>"
    assert len(text(table)) < 20_000 * 40


ARTICLE = "<h1>Printers</h1><p>The blue printer is on floor 2.</p>"


@pytest.mark.parametrize(
    "furniture",
    [
        (
            '<div class="navheader"><table><tr><th>Chapter 5. Printers</th></tr><tr><td><a href="4.html">Prev</a></td>'
            '<td><a href="6.html">Next</a></td></tr></table></div>'
        ),
        '<ul class="docnav top"><li><a href="a.html"><b>Prev</b>Chapter 4</a></li><li>The Office Book</li></ul>',
        '<ol class="breadcrumb"><li><a href="/">Home</a></li><li><a href="/it">IT</a></li><li>Printers</li></ol>',
        '<p><a href="/">Home</a> › <a href="/it">IT</a> › Printers</p>',
        '<p><a href="a.html">Previous</a> | <a href="b.html">Next</a></p>',
        '<div><a rel="prev" href="a.html">Scanners</a> <a rel="next" href="b.html">Telephones</a></div>',
        '<p>[ <a href="a.html">上一页</a> ] [ <a href="b.html">下一页</a> ]</p>',
        '<div id="cookie-banner"><p>We use cookies to make the site better.</p><button>Accept</button></div>',
        '<div class="toc"><p><b>Contents</b></p><dl><dt><a href="x.html">1. Scanners</a></dt></dl></div>',
        (
            '<h2>Contents</h2><ul><li><a href="#a">1. Paper</a></li><li><a href="#b">2. Ink</a><ul><li>'
            '<a href="#c">2.1 Colours</a></li></ul></li></ul><div id=a></div><div id=b></div><a name="c"></a>'
        ),
        '<a class="skip-link" href="#x">Skip to content</a>',
    ],
)
def test_html_that_only_leads_elsewhere_is_not_read_and_is_counted(furniture: str) -> None:
    document = load(f"<html><head><title>Printers</title></head><body>{furniture}{ARTICLE}{furniture}</body></html>")
    assert document.text == "# Printers\n\nThe blue printer is on floor 2."
    assert document.left_out == {"navigation": 2}


@pytest.mark.parametrize(
    "content",
    [
        '<p>See <a href="#a">Paper</a>, <a href="#b">Ink</a> and <a href="#c">Colours</a>.</p>',
        (
            '<ul><li><a href="forms/leave.pdf">Leave</a></li><li><a href="forms/travel.pdf">Travel</a></li>'
            '<li><a href="forms/car.pdf">Car</a></li></ul>'
        ),
        '<div class="toc-page">Paper is in the cellar.</div>',
        f'<div class="nav">{"<p>Paper is in the cellar and ink is in the attic.</p>" * 9}</div>',
        "<p>Press <a href=#x>Next</a> to print the second page.</p>",
        '<div class="cookie-recipes"><p>Bake the cookies for ten minutes.</p></div>',
    ],
)
def test_html_links_that_say_something_are_read(content: str) -> None:
    document = load(f"<body>{ARTICLE}{content}<div id=a></div><div id=b></div><div id=c></div></body>")
    assert document.text == text(ARTICLE) + "\n\n" + text(f"<p>x</p>{content}").removeprefix("x\n\n")
    assert document.left_out == {}


def test_html_page_of_links_only_is_read() -> None:
    links = "".join(f'<dt><a href="{name}.html">{name}</a></dt>' for name in ("Paper", "Ink", "Colours"))
    assert text(f'<dl class="toc">{links}</dl>') == "Paper\n\nInk\n\nColours"


def test_html_heading_of_a_note_is_not_the_heading_of_what_follows() -> None:
    note = (
        '<div class="admonition tip"><h3>Tip</h3><p>Ask the desk.</p></div><aside><h4>Why?</h4><p>It helps.</p></aside>'
    )
    assert text(f"<main><h2>Keys</h2>{note}<p>Keys are blue.</p></main>") == (
        "## Keys\n\nTip:\n\nAsk the desk.\n\nWhy?\n\nIt helps.\n\nKeys are blue."
    )


def test_html_marks_inside_a_word_add_no_space() -> None:
    assert text("<p>Run <code>dpkg -i <em>name</em>_<em>version</em>.deb</code> in <a>/var/<b>lib</b></a></p>") == (
        "Run `dpkg -i name_version.deb` in /var/lib"
    )
    assert text("<table><tr><td><p>a</p><p>b</p><td>c</tr><tr><td>d<td>e</table>").startswith("| a b | c |")


def test_html_table_of_one_column_is_text() -> None:
    note = (
        "<table><tr><td rowspan=2><img src=tip.png></td><th>Tip</th></tr><tr><td><p>Ask the desk.</p></td></tr></table>"
    )
    assert text(note) == "Tip\n\nAsk the desk."


def test_html_table_full_of_links_keeps_their_words_only() -> None:
    link = "<td><a href='https://acme.example/{0}'>{0}</a></td>"
    many = "".join(f"<tr>{''.join(link.format(f'{row}{column}') for column in 'abc')}</tr>" for row in "123")
    assert "acme.example" not in text(f"<table>{many}</table>")
    few = f"<table><tr><th>Form<th>For</tr><tr>{link.format('leave')}<td>holidays</td></tr></table>"
    assert "[leave](https://acme.example/leave)" in text(few)
