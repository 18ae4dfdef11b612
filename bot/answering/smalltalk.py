"""Recognises texts that ask nothing: a greeting, thanks, "who are you?", marks without a word. They get a fixed reply
that says what can be asked. No model and no search are needed, and nothing is reported as unanswered.

Decision: such a reply has the status ``answered`` (the contract's statuses are fixed, and nothing was refused), no
sources, and the reason ``no_question``. Lists, figures and the history of a conversation leave it out by this reason.

The whole text must consist of known phrases; case, marks, emoji and repeated letters do not matter. With any other word
it is a question: to answer "hi, how long is the warranty?" with a greeting would be worse than to search for "hi".
These are questions too: phrases in title case ("Good Morning" may be the name of something), long texts, and "yes" or
"可以" with a question mark. Corrected questions come first, but not before a reaction to what was said before (answer).
Knows nothing of models.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from retrieval.text import normalise


class Kind(StrEnum):
    """The kinds of texts that ask nothing; each has its own reply."""

    GREETING = "greeting"
    WHO = "who"
    THANKS = "thanks"
    AGREED = "agreed"  # ok, 好的, 👍
    UNCLEAR = "unclear"  # marks without a word


REACTIONS = frozenset({Kind.AGREED, Kind.UNCLEAR})  # within a conversation, they are about what was said before
LONGEST = 60  # characters
MOST_PHRASES = 4

_NAMES = r"(?: (?:there|all|everyone|everybody|again|errata|bot|friends?|team|folks|guys))*"
_THANKING = (
    r"(?:ok |okay |great |oh )?(?:many |a thousand )?(?:thanks|thank (?:you|u)|thankyou|thx|thanx|ty|tysm|cheers)"
    r"(?: so much| very much| a lot| lots| a bunch| a million| again| anyway| indeed)*"
    r"(?: for (?:your|the|this|that|all)(?: (?:quick|great|good|kind))?(?: (?:help|answer|reply|support|info))?"
    r"| for helping(?: me)?| for everything)?"
)
# In normal form (lower case, simplified Chinese, no marks). Words with which somebody may search for a document are not
# in this list, although people often write them without a meaning: fine, nice, test, 测试, 客服.
_PHRASES = {
    Kind.GREETING: (
        rf"(?:hi|hello|helo|hey|hiya|howdy|hallo|yo|greetings|good (?:morning|afternoon|evening|day)|morning){_NAMES}",
        r"(?:is )?any(?:body|one) (?:there|here|home)|are you (?:there|here|online)",
        r"how are you(?: doing)?(?: today)?|how do you do|how is it going|what's up|nice to meet you",
        r"(?:你|您|你们|大家)好(?:吗|么)?|嗨|哈[喽啰罗]|喂|早|(?:早上|上午|中午|下午|晚上|早)好|早安|好久不见|人呢",
        r"(?:请问)?[你您]?还?在(?:吗|么|不在|嘛|线吗)|(?:请问)?有人在?(?:吗|么|嘛)|请问(?:一下)?|打扰(?:一下|了)?|测试一下",
    ),
    Kind.WHO: (
        r"who are (?:you|u)|what are you|what(?: is|'s) your name|introduce yourself|tell me about yourself",
        r"what can (?:you do|i ask(?: you)?)(?: here| for me)?|what do you (?:do|know)",
        r"(?:how|what) can you help(?: me)?|can you help(?: me)?|help(?: me)?(?: please)?",
        r"are you (?:an? )?(?:robot|bot|human|person|machine|ai|real|real person)",
        r"[你您](?:到底|究竟)?是(?:谁|什么|哪位)|[你您]叫什么(?:名字)?|[你您]是(?:机器人|人|真人|人工|ai)(?:吗|么)",
        r"[你您]都?(?:能|会|可以)(?:帮我)?(?:做|干|回答)?(?:什么|啥|些什么|哪些事)|[你您]有(?:什么|哪些)功能",
        r"我?(?:能|可以)问[你您]?(?:什么|啥|些什么|哪些问题)|请?(?:介绍一下)?[你您]?自己|请?(?:做个)?自我介绍(?:一下)?",
        r"帮助|帮帮?我",
    ),
    Kind.THANKS: (
        rf"{_THANKING}{_NAMES}",
        r"much appreciated|i appreciate (?:it|that)|very helpful|well done|good (?:job|bot|work)",
        r"(?:that|this|it)(?: really| was| is|'s)*(?: very| so)? (?:helped|helps|helpful|useful)(?: me)?(?: a lot)?",
        r"(?:好的?)?(?:真的?|十分|非常|万分|太|很|多|先)?(?:谢|谢谢|感谢|感恩)(?:了|啦|[你您]|你们|大家|的|哈|啊|呀|哦|帮助|回答)*",
        r"辛苦[你您]?(?:了|啦)|麻烦[你您]了|(?:很|挺|真|非常)?有(?:用|帮助)|帮(?:到|了)我?(?:大忙)?了?",
    ),
    Kind.AGREED: (
        r"(?:oh |ah )?(?:ok|oke|okay|okey|k|kk|alright|all right|good|great|perfect|cool|super|awesome|excellent)",
        r"(?:i )?(?:got it|understood|understand|see)|yes|yeah|yep|yup|no|nope|sure|right|exactly|never ?mind|sorry",
        r"no (?:problem|worries)|bye(?: bye)?|good ?bye|see you(?: later)?|good night|(?:ha){2,}|lol|wow|hm|oh|ah",
        r"好(?:的|滴|哒|嘞|啊|呀|哦)*|行(?:的|了)?|可以(?:的|了)?|嗯嗯?|[哦噢喔]+|我?(?:明白|知道|了解|懂|清楚|收到)(?:了|啦)?",
        r"没(?:事|问题|有)(?:了|的)?|没了|不(?:用|必|客气|用谢|是)?(?:了|的)?|对(?:的|啊|了)?|是(?:的|啊)|解决了",
        r"太(?:好|棒)(?:了|啦)|(?:真|很|挺)?(?:不错|棒|好|赞)(?:的|啊)?|厉害|再见|拜拜?|[哈呵嘿嘻]{2,}|抱歉|对不起",
        r"不好意思|晚安|回见",
    ),
}
_PATTERNS = {kind: re.compile("|".join(phrases)) for kind, phrases in _PHRASES.items()}
_LONG = re.compile(r"(.)\1{2,}")
_TWICE = re.compile(r"^(.{1,12}?)\1+$")
_HAN = "\u4e00-\u9fff"
_BETWEEN_SCRIPTS = re.compile(f"(?<=[a-z])(?=[{_HAN}])|(?<=[{_HAN}])(?=[a-z])")
_ASKING = "?"
_CHINESE_MARKS = re.compile("[？！。，、；：～]|……")
_MARKS = re.compile(r"((?:[^\w\s']|_)+)")
_REPLY_ORDER = (Kind.WHO, Kind.THANKS, Kind.GREETING, Kind.AGREED)  # of several kinds the first one gets the reply
_TITLE = re.compile(r"[A-Z][a-z]+(?: [A-Z][a-z]*)+")


def kind_of(text: str) -> Kind | None:
    """The kind of a text that asks nothing; None for everything that may be a question."""
    plain = normalise(text).replace("妳", "你")
    if not any(character.isalnum() for character in plain):
        return Kind.AGREED if _has_picture(plain) and _ASKING not in plain else Kind.UNCLEAR
    if len(_LONG.sub(r"\1", plain)) > LONGEST or _TITLE.fullmatch(text.strip(" !.,?！。，？").removesuffix(" Errata")):
        return None
    phrases = _phrases(plain)
    kinds = {phrase: _kind(phrase) for phrase, _ in phrases}
    doubtful = (Kind.AGREED, Kind.THANKS)  # with a question mark they ask: is that so?
    if any(kinds[phrase] in doubtful and _ASKING in marks for phrase, marks in phrases) or len(phrases) > MOST_PHRASES:
        return None
    return next((kind for kind in _REPLY_ORDER if kind in kinds.values()), None) if None not in kinds.values() else None


def language_of_marks(text: str) -> str | None:
    """The language of a text without letters, by its marks; None where any language uses these marks."""
    return "zh" if _CHINESE_MARKS.search(text) else None


def _phrases(plain: str) -> list[tuple[str, str]]:
    """The phrases of a text in normal form, each with the marks after it; emoji count as marks."""
    parts = _MARKS.split(plain.replace("’", "'"))
    phrases: list[tuple[str, str]] = []
    for words, marks in zip(parts[::2], [*parts[1::2], ""], strict=True):
        phrase = words.strip()
        pieces = [phrase] if _kind(phrase) else [piece.strip() for piece in _BETWEEN_SCRIPTS.split(phrase)]
        phrases += [(piece, "") for piece in pieces[:-1]] + [(pieces[-1], marks)] * bool(phrase)
    return phrases


def _kind(phrase: str) -> Kind | None:
    """The kind of a phrase, also where a letter or the whole phrase is repeated (hellooo, 你好你好)."""
    forms = {phrase, _LONG.sub(r"\1", phrase), _LONG.sub(r"\1\1", phrase), _TWICE.sub(r"\1", phrase)}
    return next((kind for kind, pattern in _PATTERNS.items() if any(pattern.fullmatch(form) for form in forms)), None)


def _has_picture(text: str) -> bool:
    return any(unicodedata.category(character) == "So" for character in text)
