"""Compares the words of a follow-up with its rewriting and with the conversation: what the question names itself, what
the rewriting dropped, and what it added.

These checks decide what is searched for, and which rewritings are compared with corrected questions (condense). A
short question, however clear it looks ("Who manages?"), may ask about the subject of the conversation.
"""

from __future__ import annotations

import re

from retrieval.text import normalise, tokens

_POINTING = frozenset(
    "it its itself they them their theirs this that these those he him his she her hers here there then such same "
    "other others another else one ones so too also instead both either neither former latter again above below next "
    "last previous first second third more less".split()
)
_BEGINNING = ("and", "or", "but", "about")
_ABOUT = re.compile(r"(?:what|how) (?:about|if)\b")
# 那 and 这 also inside longer words (那么, 这种): it does no harm when a question wrongly counts as pointing back.
_CHINESE = re.compile(
    r"[这那它他她此其呢]|该(?!如何|怎)|上述|上面|下面|刚才|刚刚|前者|后者|同样|也|另外|别的|又|第[一二三]个"
)
_WORD = re.compile(r"[a-z]+")
_LEADING = re.compile(r"(?:(?:and|or|but|so|then)\b|那么?|那|还有)[\s,，]*")
_YES_OR_NO = re.compile(r"(.{1,2})[不没]\1|是否")  # here 不 and 没 ask; everywhere else they deny
# Words that a rewriting may replace or leave out. "other", "second", "more" are not among them: they say which ones.
_POINTERS = frozenset(
    token
    for word in (
        "a an the is are was were do does did it its they them their he him his she her this that these those there "
        "one ones too also please 这 那 这个 那个 这些 那些 它 它们 他 她 他们 其 此 该 的 了 是 吗 呢 也 请 请问"
    ).split()
    for token in tokens(word)
)
# Words that only form a question; they name no subject.
_ASKING_WORDS = (
    "a an the is are was were be do does did can could may must will would have has i you we my your in on at for to "
    "of who whom whose what which when where why how much many long often far old exactly please tell me "
    "什么 什么样 谁 哪 哪里 哪儿 哪个 哪些 哪天 几 几点 几天 几个 多少 多久 多长 多大 多远 多少钱 时候 什么时候 何时 "
    "时间 多长时间 怎么 怎样 怎么样 如何 为什么 为何 要 需要 是 有 在 的 了 吗 可以 能 请问 我 我们 你 你们"
)
# Words that a rewriting may add without changing the question. No negation, question word or direction is among them.
_GRAMMAR = (
    "a an the is are was were be been do does did can will has have had of in on at for i you we my your our "
    "的 了 是 吗 在 有 可以 能 会 请问 我 你 我们 你们"
)


def names_something(question: str) -> bool:
    """Whether a short question names a subject, as far as its words show: it has a word that does more than form a
    question, and none that points back. Then it may be about something new."""
    return not _points_back(question) and not set(tokens(question)) <= set(tokens(_ASKING_WORDS))


def _points_back(question: str) -> bool:
    plain = normalise(question)
    words = _WORD.findall(plain)
    if _CHINESE.search(plain.replace("应该", "")) or _ABOUT.match(plain):
        return True
    return not _POINTING.isdisjoint(words) or words[:1] in ([word] for word in _BEGINNING)


def drops_nothing(rewriting: str, question: str) -> bool:
    """Whether every word of the question is in its rewriting, except words that point back or connect. Each other word
    may be the important one ("that are not new", "without the box", "没有发票的")."""
    plain = _YES_OR_NO.sub("", normalise(rewriting))
    rewritten = set(tokens(plain))
    content = _ABOUT.sub("", _LEADING.sub("", normalise(question)), count=1)
    asked = {token for token in tokens(_YES_OR_NO.sub("", content)) if token not in _POINTERS}
    # In another sentence a Chinese word may be cut differently.
    return all(token in rewritten or (not token.isascii() and token in plain) for token in asked)


def adds_nothing(rewriting: str, *sources: str) -> bool:
    """Whether every word of a rewriting, except grammar words, is in the texts that it was made from."""
    allowed = {token for text in (_GRAMMAR, *sources) for token in tokens(text)}
    return set(tokens(rewriting)) <= allowed
