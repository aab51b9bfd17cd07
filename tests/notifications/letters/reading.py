"""How old a reader must be: Flesch and Kincaid's grade level of a message's own sentences, plus five years.

Their formula (1975): 0.39 words a sentence, and 11.8 syllables a word, less 15.59, is the American school grade; a pupil of grade 7 is
twelve.

What is counted is what we wrote. Left out, because nobody can word them otherwise or nobody reads them as sentences: field lines
(indented: labels, codes, and the sentence of the rule), headings, the salutation. A name, wherever it stands in a sentence, counts as one
word of two syllables, and so does a link; a number or a year counts as one word of one. A word has the most syllables that either
hyphenation (pyphen) or its groups of vowels give it, so the measure errs against us.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyphen

OLDEST = 12.0
"""Years. The bound of every message."""
LONGEST_SENTENCE = 25
"""Words, names counted as one: GOV.UK's bound."""
NAME = "Preston"
_DAY = re.compile(r"[A-Z][a-z]+day \d{1,2} [A-Z][a-z]+ \d{4}")
_hyphenate = pyphen.Pyphen(lang="en_GB")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a message, as it is counted."""

    text: str

    @property
    def words(self) -> list[str]:
        return re.findall(r"[A-Za-z]+(?:['’-][A-Za-z]+)*|\d+", self.text)

    @property
    def syllables(self) -> int:
        return sum(syllables(word) for word in self.words)

    @property
    def age(self) -> float:
        return age([self])


def age(sentences: list[Sentence]) -> float:
    """The age at which these can be read."""
    words = sum(len(sentence.words) for sentence in sentences)
    return 0.39 * words / len(sentences) + 11.8 * sum(sentence.syllables for sentence in sentences) / words - 15.59 + 5


def sentences(text: str, values: Mapping[str, Any]) -> list[Sentence]:
    """Our own sentences of a message that was made of these values."""
    lines = [line for line in text.splitlines() if (line and not line.startswith(" ") and line[-1] in ".!?:") or "://" in line]
    ours = "\n".join(re.sub(r"\S*/\S+", NAME, line) for line in lines)
    for name in sorted(set(_names(values)), key=len, reverse=True):
        ours = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", NAME, ours)
    return [found for part in re.split(r"(?<=[.!?])\s+|\n", ours) if (found := Sentence(part)).words]


def _names(values: Any) -> Iterator[str]:
    """Names among the values: texts with a capital letter or a number in them, days excepted."""
    if isinstance(values, str):
        if re.search("[A-Z0-9]", values) and not _DAY.fullmatch(values):
            yield values
    elif isinstance(values, Mapping | list):
        for value in values.values() if isinstance(values, Mapping) else values:
            yield from _names(value)


@cache
def syllables(word: str) -> int:
    """How many syllables a word is read with: 1 for a number."""
    if word.isdigit():
        return 1
    spoken = re.sub(r"(?:[^laeiouy]es|[^td]ed|[^laeiouy]e|(?<=[aeiouy])le)$", "", word.lower())
    groups = re.findall(r"[aeiouy]{1,2}", re.sub("^y", "", spoken))
    return max(len(_hyphenate.positions(word)) + 1, len(groups), 1)
