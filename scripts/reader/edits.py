"""Edits questions by rule, so that their passage no longer answers them: another number, name, direction or polarity.

These are the mistakes that a reader makes who only looks whether the topic is the same.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPPOSITES = (
    "first last", "oldest newest", "largest smallest", "biggest smallest", "highest lowest", "longest shortest",
    "most least", "best worst", "earliest latest", "early late", "before after", "minimum maximum", "north south",
    "northern southern", "east west", "eastern western", "increase decrease", "increased decreased", "more fewer",
    "inside outside", "upper lower", "male female", "men women", "always never", "with without", "above below",
    "weekday weekend", "winter summer", "arrive leave", "begin end", "began ended", "start stop", "buy sell",
    "accept reject", "allowed forbidden", "public private", "import export", "win lose", "won lost", "left right",
    "front back", "birth death", "born died", "founded dissolved", "primary secondary", "former latter",
)  # fmt: skip
_CHINESE_OPPOSITES = (
    "最大 最小", "最高 最低", "最早 最晚", "最多 最少", "最长 最短", "最新 最旧", "第一 最后", "之前 之后", "以前 以后",
    "增加 减少", "上升 下降", "开始 结束", "早期 晚期", "上游 下游", "南部 北部", "东部 西部", "以上 以下", "优点 缺点",
    "出生 逝世", "成立 解散", "买入 卖出", "允许 禁止", "公开 私下", "国内 国外", "左侧 右侧", "冬季 夏季", "进口 出口",
    "白天 夜间", "工作日 周末", "男性 女性", "正面 反面", "内部 外部",
)  # fmt: skip
_AUXILIARY = re.compile(r"\b(is|are|was|were|did|does|do|can|could|will|would|should|has|have|had)\b", re.IGNORECASE)
_NAME = re.compile(r"(?<=[\w,] )[A-Z][\w'-]+(?: (?:of |the |de )?[A-Z][\w'-]+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CHINESE_NUMBER = re.compile(r"[一二三四五六七八九十百千万两]{1,6}(?=[年月日岁人个次位层届名座条])")
_HAN = re.compile(r"[\u4e00-\u9fff]")


class Editor:
    """Edits questions. ``names``: names that other passages are about, by language ("zh", "en")."""

    def __init__(self, names: dict[str, Sequence[str]], seed: int) -> None:
        self._names = names
        self._random = random.Random(seed)  # noqa: S311 - draws examples, no secrets
        self._opposites = {"en": _pairs(_OPPOSITES), "zh": _pairs(_CHINESE_OPPOSITES)}

    def edited(self, question: str, passage: str, lang: str) -> str | None:
        """The question with another meaning, or None if no rule applies."""
        kinds = [self._number, self._opposite, self._name, self._negated]
        self._random.shuffle(kinds)
        if self._random.random() < 0.85:  # it nearly always applies, so it comes last
            kinds.remove(self._negated)
            kinds.append(self._negated)
        for kind in kinds:
            other = kind(question, passage, lang)
            if other and other != question:
                return other
        return None

    def _number(self, question: str, passage: str, lang: str) -> str | None:
        matches = [*_NUMBER.finditer(question), *(_CHINESE_NUMBER.finditer(question) if lang == "zh" else ())]
        if not matches:
            return None
        match = self._random.choice(matches)
        for _ in range(10):
            if match[0][0].isdigit():
                digits = [self._random.choice("0123456789") if c.isdigit() else c for c in match[0]]
                keep = len(digits) // 2 if len(digits) == 4 else 0  # 1984 → 1962, which is a year too
                other = match[0][:keep] + "".join(digits[keep:])
            else:
                other = "".join(self._random.choice("一二三四五六七八九") for _ in match[0])
            if other != match[0] and other not in passage and not other.startswith("0"):
                return question[: match.start()] + other + question[match.end() :]
        return None

    def _opposite(self, question: str, _passage: str, lang: str) -> str | None:
        pairs = self._opposites.get(lang, {})
        words = [word for word in pairs if _occurs(word, question, lang)]
        if not words:
            return None
        word = self._random.choice(words)
        if lang == "zh":
            return question.replace(word, pairs[word], 1)
        return re.sub(rf"\b{word}\b", pairs[word], question, count=1, flags=re.IGNORECASE)

    def _name(self, question: str, passage: str, lang: str) -> str | None:
        names = _chinese_names(question) if lang == "zh" else [match[0] for match in _NAME.finditer(question)]
        names = [name for name in names if name in passage]
        pool = self._names.get(lang, ())
        if not names or not pool:
            return None
        name = self._random.choice(names)
        for _ in range(20):
            other = self._random.choice(pool)
            alike = abs(len(other) - len(name)) <= 2 if lang == "zh" else other.count(" ") == name.count(" ")
            if alike and other not in passage and other not in question:
                return question.replace(name, other, 1)
        return None

    def _negated(self, question: str, _passage: str, lang: str) -> str | None:
        if lang == "zh":
            pairs = (("没有", "有"), ("不是", "是"), ("不能", "能"), ("是", "不是"), ("能", "不能"), ("有", "没有"))
            for word, other in pairs:
                if word in question and "是否" not in question and "不" + word not in question:
                    return question.replace(word, other, 1)
            return None
        if re.search(r"\bnot\b|n't", question):
            return re.sub(r" not\b|n't", "", question, count=1)
        match = _AUXILIARY.search(question)
        if match is None:
            return None
        if match.start() == 0 or match[0].lower() in {"did", "does", "do", "can", "could", "will", "would", "should"}:
            rest = question[match.end() :].split(" ")
            at = min(len(rest), 2 if len(rest) < 5 else 3)  # after the subject, where it is short
            return question[: match.end()] + " ".join([*rest[:at], "not", *rest[at:]])
        return f"{question[: match.end()]} not{question[match.end() :]}"


def names_in(text: str, lang: str) -> list[str]:
    """The names in a text, as far as rules find them."""
    return _chinese_names(text) if lang == "zh" else [match[0] for match in _NAME.finditer(text)]


def _chinese_names(text: str) -> list[str]:
    import rjieba

    wanted = {"nr", "ns", "nt", "nz", "nrt", "nrfg", "eng"}
    return [word for word, tag in rjieba.tag(text) if tag in wanted and len(word) > 1]


def _pairs(rows: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for row in rows:
        word, other = row.split()
        pairs.setdefault(word, other)
        pairs.setdefault(other, word)
    return pairs


def _occurs(word: str, question: str, lang: str) -> bool:
    return word in question if lang == "zh" else bool(re.search(rf"\b{word}\b", question, re.IGNORECASE))
