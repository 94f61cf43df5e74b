"""Regular expressions of consumer subscriptions: whether one is RE2, the kind that brokers understand (KIP-848).

Python's own parser does most of it; what Python has and RE2 has not is looked for before. RE2's names of Unicode
classes (\\pL) and \\Q...\\E, which Python has not, are taken out first.
"""

import re

FOREIGN = (
    (re.compile(r"\(\?<?[=!]"), "invalid or unsupported Perl syntax"),
    (re.compile(r"\(\?(?:>|#|\(|P[=>])"), "invalid or unsupported Perl syntax"),
    (re.compile(r"\\[1-9]"), "invalid escape sequence"),
    (re.compile(r"\\[ZGKXR]"), "invalid escape sequence"),
    (re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\+"), "invalid nested repetition operator"),
)
ONLY_RE2 = re.compile(r"\\Q.*?(?:\\E|$)|\\[pP](?:\{\^?\w+\}|\w)|\[\[:\^?\w+:\]\]|\\[zCE]", re.DOTALL)
WORDS = (
    ("unterminated character set", "missing closing ]"),
    ("unterminated subpattern", "missing closing )"),
    ("unbalanced parenthesis", "unexpected )"),
    ("nothing to repeat", "missing argument to repetition operator"),
    ("multiple repeat", "invalid nested repetition operator"),
    ("min repeat greater", "invalid repeat count"),
    ("bad character range", "invalid character class range"),
    ("bad escape (end of pattern)", "trailing backslash at end of expression"),
    ("bad escape", "invalid escape sequence"),
)
MAX_REPEATS = 1000


def trouble(text: str) -> str | None:
    """What is wrong with an expression, in RE2's words; None: nothing."""
    plain = re.sub(r"\\\\", "x", text)
    for foreign, words in FOREIGN:
        if foreign.search(plain):
            return words
    if any(int(count) > MAX_REPEATS for count in re.findall(r"\{(?:\d*,)?(\d+)", plain)):
        return "invalid repeat count"
    try:
        re.compile(ONLY_RE2.sub("x", plain))
    except re.error as error:
        return next((words for sign, words in WORDS if error.msg.startswith(sign) or sign in error.msg), error.msg)
    return None
