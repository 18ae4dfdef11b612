"""What the Content-Security-Policy and the style of the pages ask of their files, checked without a browser."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import bot

WEB = Path(bot.__file__).parent / "web"
STATIC = WEB / "static"
VENDOR = STATIC / "vendor"
PAGES = sorted((WEB / "pages").glob("*.html"))
SCRIPTS = sorted(path for path in STATIC.rglob("*.js") if VENDOR not in path.parents)
STYLES = sorted(STATIC.rglob("*.css"))
LONGEST_MODULE = 300


def name(path: Path) -> str:
    return str(path.relative_to(WEB))


def test_pages_are_those_that_the_server_shows() -> None:
    assert [path.stem for path in PAGES] == ["chat", "curate", "docs", "login"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_has_no_inline_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son\w+=|javascript:", text) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_names_only_static_files_that_exist(page: Path) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', page.read_text(encoding="utf-8"))
    missing = [path for path in named if not path.startswith("/static/") or not (WEB / path[1:]).is_file()]
    assert missing == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_script_imports_only_files_beside_it(script: Path) -> None:
    """Bare specifiers would need an import map, which is an inline script."""
    text = re.sub(r"/\*.*?\*/", "", script.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"""(?:^|\s)(?:import|from)\s+"([^"]+)";""", text)
    missing = [path for path in named if not path.startswith(".") or not (script.parent / path).is_file()]
    assert missing == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_script_makes_no_code_or_markup_from_text(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    forbidden = re.findall(
        r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|\sstyle=", text
    )
    assert forbidden == []


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_script_is_short(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_script_shows_no_text_of_its_own(script: Path) -> None:
    """Words between tags of a template belong into the catalogues; the product's name and single signs do not."""
    text = re.sub(r"/\*.*?\*/|^\s*//.*$", "", script.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    shown = re.findall(r">\s*([A-Za-z\u4e00-\u9fff][^<>${}`;=()]*)<", text)
    assert {words.strip() for words in shown} <= {"Errata", "勘误", "Alt+N"}


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES, *PAGES], ids=name)
def test_file_loads_nothing_from_other_hosts(path: Path) -> None:
    assert re.findall(r"""["'(]\s*(?:https?:)?//[\w.-]+\.\w+""", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("style", STYLES, ids=name)
def test_style_uses_only_colours_with_a_name(style: Path) -> None:
    """Every colour is a custom property of base.css, so that the dark scheme cannot miss one."""
    text = style.read_text(encoding="utf-8")
    if style.name == "base.css":
        text = text[text.index("*, *::before") :]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s])(?![^{}]*\{)", text) == []


def test_vendored_files_are_those_of_the_readme() -> None:
    table = (VENDOR / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([\w.-]+)` .*`([0-9a-f]{64})` \|$", table, flags=re.MULTILINE))
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*.js")}
    assert there == listed


def test_vendored_files_import_only_each_other() -> None:
    named = {
        (path.name, target)
        for path in VENDOR.glob("*.js")
        for target in re.findall(r"""\bfrom\s*["']([^"']+)["']""", path.read_text(encoding="utf-8"))
    }
    assert named == {
        ("preact-hooks.js", "./preact.js"),
        ("signals.js", "./preact.js"),
        ("signals.js", "./preact-hooks.js"),
        ("signals.js", "./signals-core.js"),
    }


SCHEMES = ("light", "dark")
# Text on every surface that it is used on; 4.5 is WCAG AA for text, 3 for the edges of controls.
CONTRAST = {
    "ink": (4.5, ("paper", "paper-raised", "paper-sunk", "erratum-wash", "good-wash", "warn-wash")),
    "ink-soft": (4.5, ("paper", "paper-raised", "paper-sunk", "erratum-wash", "good-wash", "warn-wash")),
    "link": (4.5, ("paper", "paper-raised", "paper-sunk", "link-wash", "erratum-wash", "good-wash")),
    "erratum": (4.5, ("paper", "paper-raised", "paper-sunk", "erratum-wash")),
    "good": (4.5, ("paper", "paper-raised", "paper-sunk", "good-wash")),
    "warn": (4.5, ("paper", "paper-sunk")),
    "paper": (4.5, ("ink", "erratum", "link")),
    "rule-strong": (3.0, ("paper", "paper-raised")),
    "focus": (3.0, ("paper", "paper-raised")),
}


def colours(scheme: str) -> dict[str, str]:
    light, dark = (STATIC / "css" / "base.css").read_text(encoding="utf-8").split("@media (prefers-color-scheme: dark)")
    named = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return named if scheme == "light" else {**named, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", SCHEMES)
def test_colours_can_be_read_on_every_surface(scheme: str) -> None:
    named = colours(scheme)
    low = {}
    for front, (needed, surfaces) in CONTRAST.items():
        for surface in surfaces:
            darker, lighter = sorted((luminance(named[front]), luminance(named[surface])))
            ratio = (lighter + 0.05) / (darker + 0.05)
            if ratio < needed:
                low[front, surface] = round(ratio, 2)
    assert low == {}
