"""Finds names that look like values: keys or column headers that should not name a feature.

A client may send a table without its header, or an object keyed by user. Its values would then be
names of features. Names are published more widely than values, as labels of exported series.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from itertools import pairwise

from nilometer.values.redacted import REDACTED

MAX_PLACES = 1000  # columns of a table: "999" may be a column's position, "1000" is a number
RANDOM_FROM = 24  # shortest name that is checked for random letters
MAX_NAME = 128  # characters; a longer name is text
_REMEMBERED = 4096  # names whose result is cached
_FEWEST_PAIRS = 16  # fewest pairs of neighbouring characters for a decision
_LONGEST_WORD = 9  # characters between underscores: shorter words are never random
_RANDOM_SCORE = 0.4  # surprises per pair: 0.7 to 0.9 in random tokens, up to 0.3 in names

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec)[a-z]*\.?"
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_TIME = (
    r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?"
    r"(?: ?(?:z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2})(?:\[[\w/+-]+\])?)?"
)
_AFTER_DATE = rf"(?:[t _,]+(?:{_TIME}|\d{{4,6}}(?:\.\d+)?(?:z|[+-]\d{{2}}:?\d{{2}})?))?"

# Each pattern matches a whole name, in lower case.
_WHOLE = re.compile(
    "|".join(
        (
            r"[$€£¥]? ?[+-]?[$€£¥]?(?:\d+(?:[., '\u2019]\d+)*[.,]?|[.,]\d+)(?:e[+-]?\d+)? ?[%$€£¥]?",  # number
            r"[+-]?0x[0-9a-f]+",
            # Dates: ISO, with other separators, weeks, quarters, days of the year, names of months.
            rf"\d{{4}}([-/._])\d{{1,2}}\1\d{{1,2}}{_AFTER_DATE}",
            rf"\d{{1,2}}([-/._])\d{{1,2}}\2(?:\d{{4}}|\d{{2}}){_AFTER_DATE}",
            rf"\d{{8}}{_AFTER_DATE}",
            r"\d{4}[-/]\d{1,2}|\d{1,2}/\d{4}|\d{4}-?w\d{2}(?:-?\d)?|\d{4}[- ]?q[1-4]|\d{4}-\d{3}",
            rf"(?:{_DAY},? ?)?\d{{1,2}}(?:st|nd|rd|th)?[ ./-]{_MONTH}(?:[ ,./-]+\d{{2,4}})?{_AFTER_DATE}",
            rf"(?:{_DAY},? ?)?{_MONTH}[ ./-]+\d{{1,4}}(?:st|nd|rd|th)?(?:[ ,/-]+\d{{2,4}})?{_AFTER_DATE}",
            rf"{_DAY} {_MONTH} +\d{{1,2}} {_TIME} (?:[a-z]+ )?\d{{4}}",
            rf"\d{{4}}[ ./-]{_MONTH}[ ./-]\d{{1,2}}{_AFTER_DATE}",
            _TIME,
            r"\d{1,2} ?[ap]\.?m\.?",
            r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5}|/\d{1,2})?",  # IPv4 with a port or a prefix
            r"(?:\+|00)?(?=(?:\D*\d){7,})[\d ()./-]{7,}(?: ?(?:x|ext\.?) ?\d+)?",  # telephone, SSN, card
        )
    ),
)
# Each pattern may match anywhere in a name.
_ANYWHERE = re.compile(
    "|".join(
        (
            r"[^\s@]@(?:[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}|localhost)\b",  # mail address
            r"(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])",  # UUID
            r"(?<![0-9a-z])(?:0x)?[0-9a-f]{16,}(?![0-9a-z])",
            r"(?<![0-9a-z])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5,}(?![0-9a-z])",  # MAC, fingerprint
            re.escape(REDACTED),
        )
    ),
)
_PLACE = re.compile(r"0|[1-9][0-9]{0,2}")
_PLACES = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2}))*")
_TRAILING_PLACES = re.compile(r"(?:\.(?:0|[1-9][0-9]{0,2}))+$")
_PART = re.compile(r"[^\W_]+")

# Letters that hardly ever follow a letter within a word of a European language.
_UNLIKELY = {
    "a": "", "b": "cdfgkmnpqtvwxz", "c": "bdfgjmnpqvwxz", "d": "bcfkpqtxz", "e": "j",
    "f": "bcdghjkmnpqvwxz", "g": "bcdfjkpqvwxz", "h": "bcdfghjkpqvxz", "i": "wy", "j": "bcdfghjklmnpqrstvwxyz",
    "k": "bcdfgjmpqvxz", "l": "hjnqrwxz", "m": "cdfghjklqrtvwxz", "n": "bmpqrwx", "o": "q",
    "p": "bcdfgjkmnqvwxz", "q": "abcdefghijklmnoprstvwxyz", "r": "jqwxz", "s": "bdfgjqrvxz",
    "t": "bdfgjkmnpqvx", "u": "jqvwyz", "v": "bcdfghjklmnpqrstuvwxyz", "w": "bcdfgjklmpqtuvwxyz",
    "x": "bdfghjklmnoqrsuvwyz", "y": "bfghjkquvwxyz", "z": "bcdfghjklmnpqrstvwxy",
}  # fmt: skip


def looks_like_value(name: str) -> bool:
    """Return whether *name* is a number, date, time, address, identifier, token or long text.

    A mail address, UUID or hash counts anywhere in the name, as in ``user:jo@example.com``.
    """
    return len(name) > MAX_NAME or _looks_like_value(name)


def is_place(name: str) -> bool:
    """Return whether *name* is an integer that may be a column's position, below `MAX_PLACES`."""
    return _PLACE.fullmatch(name) is not None


def may_name(name: str) -> bool:
    """Return whether a column that a decoder named *name* may be a feature.

    Positions are allowed: those of a tensor's columns follow its own name, as in ``scores.3``.
    """
    return _PLACES.fullmatch(name) is not None or not (
        looks_like_value(name) or looks_like_value(_TRAILING_PLACES.sub("", name))
    )


@lru_cache(_REMEMBERED)
def _looks_like_value(name: str) -> bool:
    folded = name.strip().casefold()
    if _WHOLE.fullmatch(folded) or _ANYWHERE.search(folded):
        return True
    return _is_address(folded) or (len(folded) >= RANDOM_FROM and _is_random(name))


def _is_address(folded: str) -> bool:
    """Return whether *folded* is an IPv6 address."""
    if folded.count(":") < 2:
        return False
    try:
        ip_address(folded.strip("[]").partition("/")[0])
    except ValueError:
        return False
    return True


def _is_random(name: str) -> bool:
    """Return whether *name* looks like a random token and not like words.

    It counts surprises. A change between letters and digits, or to an upper case letter, is one
    surprise. A pair of letters that does not occur in words is two.
    """
    if max(map(len, name.split("_"))) <= _LONGEST_WORD:
        return False
    pairs = surprises = 0
    for part in _PART.findall(name):
        for left, right in pairwise(part):
            pairs += 1
            if left.isdigit() != right.isdigit() or (left.islower() and right.isupper()):
                surprises += 1
            elif right.lower() in _UNLIKELY.get(left.lower(), ""):
                surprises += 2
    return pairs >= _FEWEST_PAIRS and surprises > _RANDOM_SCORE * pairs
