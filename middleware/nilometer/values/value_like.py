"""Recognises names that look like values: keys and column headers that should not name a feature.

A client may send a table without its header, or an object keyed by user. Then values would become
names of features. Names are published more widely than values, for example as labels of exported
series.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from itertools import pairwise
from unicodedata import normalize
from urllib.parse import unquote

from nilometer.values.redacted import REDACTED
from nilometer.values.value_patterns import VALUE_PATTERNS

MAX_PLACES = 1000  # columns of a table: "999" may be a position, "1000" is a number
RANDOM_FROM = 24  # shortest name that is checked for random letters
MAX_NAME = 128  # characters; a longer name is text
_REMEMBERED = 4096  # names whose result is cached
_HEX_FROM = 16  # hexadecimal digits of the shortest hash
_FEWEST_PAIRS = 16  # pairs of neighbours that are needed for a decision
_SHORTEST_WORD = 4  # shorter words between underscores are never random
_LONGEST_WORD = 9  # words of one kind of letter up to this length are never random
_RANDOM_SCORE = 0.4  # surprises per pair; random tokens have 0.7 to 0.9, names up to 0.3

_MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|apr(?:il)?|ma[yi]|june?|juni|july?|juli"
    r"|aug(?:ust)?|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\.?"
)
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_TIME = (
    r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?"
    r"(?: ?(?:z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2})(?:\[[\w/+-]+\])?)?"
)
_AFTER_DATE = rf"(?:[t _,]+(?:{_TIME}|\d{{4,6}}(?:\.\d+)?(?:z|[+-]\d{{2}}:?\d{{2}})?))?"
_NUMBER = r"[+-]?(?:\d+(?:[.,' \u2019]\d+)*\.?|\.\d+)"
_CURRENCY = r"(?:usd|eur|gbp|jpy|chf|cny|cad|aud|sek|nok|dkk|pln|czk|huf|brl|mxn|krw|[a-z]{1,2}\$)"

# Names without a letter that are not values: positions, ranges and bins.
_RANGE = re.compile(
    r"_\d{1,3}|\d{1,3}\+|[<>≤≥]=? ?\d+(?:[.,]\d+)*|\d{1,3}(?:\.\d{1,2})? ?[-\u2013] ?\d{1,3}(?:\.\d{1,2})?"
    r"|\([^()\[\]]+\]|\[[^()\[\]]+\)"  # half-open bins, as in pandas
)
# Each pattern matches a whole name with letters and digits, in lower case.
_WHOLE = re.compile(
    "|".join(
        (
            rf"{_NUMBER}e[+-]?\d+|[+-]?0x[0-9a-f]+|(?:{_NUMBER}(?=[+-]))?{_NUMBER}j",
            rf"{_NUMBER} ?(?:{_CURRENCY}|zł|kr\.?)|{_CURRENCY} ?{_NUMBER}",
            # Dates: ISO, with other separators, weeks, quarters, month names.
            rf"\d{{4}}([-/._])\d{{1,2}}\1\d{{1,2}}{_AFTER_DATE}",
            rf"\d{{1,2}}([-/._])\d{{1,2}}\2(?:\d{{4}}|\d{{2}}){_AFTER_DATE}",
            rf"\d{{8}}{_AFTER_DATE}",
            r"\d{4}-?w\d{2}(?:-?\d)?|\d{4}[- ]?q[1-4]|q[1-4][- ]\d{4}",
            rf"(?:{_WEEKDAY},? ?)?{_DAY}[ ./-]{_MONTH}(?:[ ,./-]+\d{{2,4}})?{_AFTER_DATE}",
            # A month and a two-digit number, as in Jan-24, may be a column name.
            rf"(?:{_WEEKDAY},? ?)?{_MONTH}[ ./-]+(?:\d{{4}}|{_DAY}[ ,/-]+\d{{2,4}}){_AFTER_DATE}",
            rf"{_MONTH}[ ./-]+\d{{1,2}}(?:st|nd|rd|th)|{_WEEKDAY},? ?{_MONTH}[ ./-]+\d{{1,2}}",
            rf"(?:{_WEEKDAY},? ?)?{_MONTH} +\d{{1,2}},? {_TIME}(?: (?:[a-z]+ )?\d{{4}})?",
            rf"\d{{4}}[ ./-]{_MONTH}(?:[ ./-]\d{{1,2}}{_AFTER_DATE})?",
            _TIME,
            r"\d{1,2} ?[ap]\.?m\.?",
            r"(?:\+|00)?(?=(?:\D*\d){7,})[\d ()./-]{7,} ?(?:x|ext\.?) ?\d+",  # telephone
            r"[+-]?\d{1,3}\.\d{3,} ?°? ?[nsew]|\d{1,3} ?° ?[\d.]+ ?['\u2032].{0,12}[nsew]",  # latitude
            rf"(?=.*\.\d\d)[ns]? ?{_NUMBER} ?°? ?[ns]?[ ,;/]+[ew]? ?{_NUMBER} ?°? ?[ew]?",
            # Personal identification numbers: GB, ES (DNI and NIE), IN, IT, FI; and company
            # numbers.
            r"[a-z]{2}[ -]?(?:\d{2} ?){3}[ -]?[a-d]|\d{8}-?[a-z]|[xyz]-?\d{7}-?[a-z]",
            r"[a-z]{3}p[a-z]\d{4}[a-z]|[a-z]{6}\d{2}[a-z]\d{2}[a-z]\d{3}[a-z]|\d{6}[-+a]\d{3}[a-z]",
            r"(?:at|be|cz|de|dk|el|es|fi|fr|gb|hu|ie|it|lt|lu|nl|pl|pt|ro|se|si|sk)u?\d{8,10}(?:b\d{2})?",
            r"#(?=[a-f]*\d)[0-9a-f]{6}(?:[0-9a-f]{2})?",  # colour
        )
    ),
)
# Each pattern may match anywhere in a name.
_MAIL = re.compile(
    r"[^\s@](?:@| ?[(\[]at[)\]] ?)(?:[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}|localhost|\[[\d.:a-f]+\])(?!\w)"
)
_IDENTIFIER = re.compile(
    "|".join(
        (
            r"(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])",  # UUID
            rf"(?<![0-9a-z])(?:0x)?[0-9a-f]{{{_HEX_FROM},}}(?![0-9a-z])",
            r"(?<![0-9a-z])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5,}(?![0-9a-z])",  # MAC, fingerprint
            r"(?<![0-9a-z])[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}(?![0-9a-z])",  # MAC
            r"\d{12,}|(?:\d{4}[ -]){3}\d{4}",  # a time in milliseconds, an account, a card
            r"(?<![0-9a-z])(?:akia|asia)[0-9a-z]{16}(?![0-9a-z])",
        )
    )
)
# The values that redaction replaces, except token prefixes that also begin names: ``pk_customer``.
_IDENTIFYING = re.compile(
    "|".join(pattern for kind, pattern in VALUE_PATTERNS.items() if kind != "token")
)
_GROUPS = re.compile(r"[0-9a-z]+|[0-9a-z]{4}(?:[ _-][0-9a-z]{4})+(?:[ _-][0-9a-z]{1,3})?")
_HEX_GROUPS = re.compile(r"[0-9a-f]{4,}(?:[._: -][0-9a-f]{4,}){2,}")
_IBAN = re.compile(r"[a-z]{2}\d{2}[0-9a-z]{11,30}")
_SEPARATORS = re.compile(r"[ ._:-]")
_IBAN_DIGITS = 10  # fewest digits of an IBAN
_PLACE = re.compile(r"0|[1-9][0-9]{0,2}")
_POSITION = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2}))?")
_TRAILING_PLACE = re.compile(r"\.(?:0|[1-9][0-9]{0,2})$")
_PART = re.compile(r"[^\W_]+")

# Letters that hardly ever follow a letter inside a word of a European language.
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


def is_position(name: str) -> bool:
    """Return whether *name* may be a decoder's position: ``3``, or ``3.1`` in a tensor."""
    return _POSITION.fullmatch(name) is not None


def may_name(name: str) -> bool:
    """Return whether *name* may be a column's name as a client sent it.

    A position at the end is ignored, because the columns of a tensor have the tensor's name and a
    position, as in ``scores.3``.
    """
    return not (looks_like_value(name) or looks_like_value(_TRAILING_PLACE.sub("", name)))


@lru_cache(_REMEMBERED)
def _looks_like_value(name: str) -> bool:
    if len(name) < _HEX_FROM and name.isascii() and name.replace("_", "").isalpha():
        return False  # the usual case
    folded = (name if name.isascii() else normalize("NFKC", name)).strip().casefold()
    if "%" in folded:
        folded = unquote(unquote(folded))
    if any(map(str.isnumeric, folded)):
        if not any(map(str.isalpha, folded)):
            return _RANGE.fullmatch(folded) is None
        if _WHOLE.fullmatch(folded) or _is_grouped(folded):
            return True
    return (
        _has_mail_address(folded)
        or _IDENTIFIER.search(folded) is not None
        or _IDENTIFYING.search(name) is not None
        or REDACTED in folded
        or _has_document(folded)
        or _is_address(folded)
        or (len(folded) >= RANDOM_FROM and _is_random(name))
    )


def _has_document(folded: str) -> bool:
    """Return whether *folded* is or contains a JSON object."""
    is_object = folded.startswith("{") and folded.endswith("}") and ":" in folded
    return is_object or '{"' in folded or '":' in folded


def _has_mail_address(folded: str) -> bool:
    """Return whether *folded* contains a mail address, with @ or with (at)."""
    signs = "@" in folded or "at)" in folded or "at]" in folded
    return signs and _MAIL.search(folded) is not None


def _is_grouped(folded: str) -> bool:
    """Return whether *folded* is an account number (IBAN) or a hash, with or without grouping."""
    if len(folded) < 12:
        return False
    whole = _SEPARATORS.sub("", folded)
    digits = sum(map(str.isdigit, whole))
    if digits >= _IBAN_DIGITS and _IBAN.fullmatch(whole) and _GROUPS.fullmatch(folded):
        return True
    return digits >= 4 and len(whole) >= _HEX_FROM and _HEX_GROUPS.fullmatch(folded) is not None


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

    A change between letters and digits, or to an upper case letter, is one surprise. Two letters
    that never meet in words are two surprises, unless they are part of an acronym. Short words
    between underscores only have surprises if they mix digits or cases.
    """
    has_cases = not (name.isupper() or name.islower())
    pairs = surprises = 0
    for word in name.split("_"):
        if len(word) < _SHORTEST_WORD:
            continue
        if len(word) <= _LONGEST_WORD and word.isalpha() and _has_one_case(word):
            pairs += len(word) - 1
            continue
        for part in _PART.findall(word):
            for at, (left, right) in enumerate(pairwise(part)):
                pairs += 1
                if left.isdigit() != right.isdigit() or (left.islower() and right.isupper()):
                    surprises += 1
                elif has_cases and _is_acronym(part[max(at - 1, 0) : at + 3]):
                    continue
                elif right.lower() in _UNLIKELY.get(left.lower(), ""):
                    surprises += 2
    return pairs >= _FEWEST_PAIRS and surprises > _RANDOM_SCORE * pairs


def _is_acronym(letters: str) -> bool:
    """Return whether at most four *letters* contain three consecutive upper case letters."""
    return any(
        len(three) == 3 and three.isalpha() and three.isupper()
        for three in (letters[:3], letters[-3:])
    )


def _has_one_case(word: str) -> bool:
    return word.islower() or word.isupper() or word.istitle()
