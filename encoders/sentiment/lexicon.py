"""Sentiment by word lists: offline, small, the same on every machine. English by VADER, Chinese by a list of ours.

Source: Hutto and Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text,
ICWSM 2014; its rules for negation, degree and contrast, and its squashing, serve the Chinese list too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from math import sqrt
from typing import Literal

import numpy as np

from encoders.core.base import EncoderError
from encoders.sentiment.base import Scores

# What is read of a text: VADER takes the square of its words, and a judgement stands early or often.
CHARACTERS = 2000
# VADER's constants: what a negated word keeps, what stands before and behind a contrast, the squashing.
NEGATED, BEFORE, BEHIND, ALPHA = -0.74, 0.5, 1.5, 15.0
# Characters between a negation or a degree and the word that it changes.
REACH = 4
# Share of a text's letters that makes it Chinese, since a character says as much as several letters; and the share
# of letters of other scripts from which neither list has anything to say (kana beside Han is Japanese).
CHINESE_SHARE, FOREIGN_SHARE = 0.2, 0.25

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
# Full-width marks are ASCII ones by then.
SENTENCE, CLAUSE = re.compile(r"[。.!?~\n]+"), re.compile(r"[,;:、\s]+")
LIST = files("encoders.sentiment") / "chinese.txt"

Script = Literal["english", "chinese"]


class LexiconSentiment:
    """Scores English and Chinese texts, told apart by their script; any other text scores 0, and is counted."""

    id = "lexicon"

    def __init__(self) -> None:
        """Raises EncoderError where VADER is not installed."""
        try:
            from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
        except ImportError as error:
            raise EncoderError(
                "the lexicon of sentiments is not installed: run `pip install 'interestflow[sentiment]'`, or set "
                "INTERESTFLOW_SENTIMENT to none or to a classifier"
            ) from error
        self._english, self._chinese = SentimentIntensityAnalyzer(), ChineseLexicon.load()
        digest = blake2b(LIST.read_bytes(), digest_size=8).hexdigest()
        self.revision = f"vader-{version('vaderSentiment')}+{digest}"
        self._counts = Counter(scored=0, unscored=0)

    def score(self, texts: Sequence[str]) -> Scores:
        """See Sentiment."""
        return np.array([self._score(text[:CHARACTERS]) for text in texts], dtype=np.float32)

    def counts(self) -> dict[str, dict[str, int]]:
        """Texts that a list could read, and that none could (see base.counts)."""
        return {"sentiment": dict(self._counts)}

    def _score(self, text: str) -> float:
        which = script(text)
        self._counts["scored" if which else "unscored"] += 1
        if which == "chinese":
            return self._chinese.score(text)
        return float(self._english.polarity_scores(text)["compound"]) if which else 0.0


def script(text: str) -> Script | None:
    """Whose words a text is made of, by its letters; one without letters (emoji) is read as English."""
    letters = sum(map(str.isalpha, text))
    han, latin = len(HAN.findall(text)), len(LATIN.findall(text))
    if letters - han - latin > FOREIGN_SHARE * letters:
        return None
    return "chinese" if han > CHINESE_SHARE * letters else "english"


@dataclass(slots=True)
class _Tally:
    """One sentence on its way: valences so far, and what is in force for the next word."""

    valences: list[float] = field(default_factory=list)
    factor: float = 1.0
    since: int = REACH + 1  # characters since the last negation or degree

    def change(self, factor: float) -> None:
        self.factor, self.since = (self.factor if self.since <= REACH else 1.0) * factor, 0

    def say(self, valence: float) -> None:
        self.valences.append(valence * (self.factor if self.since <= REACH else 1.0))
        self.factor, self.since = 1.0, REACH + 1

    def contrast(self) -> None:
        self.valences = [valence * BEFORE / BEHIND for valence in self.valences]


class ChineseLexicon:
    """Longest match of a word list, with negation, degree and contrast; no segmenter is needed for that."""

    def __init__(self, words: dict[str, tuple[str, float]], simplified: dict[str, str]) -> None:
        """words: kind (valence, factor, contrast or plain) and number of each. simplified: by traditional one."""
        self._words, self._simplified = words, str.maketrans(simplified)
        self._longest = max(map(len, words))

    @classmethod
    def load(cls) -> ChineseLexicon:
        """The list that comes with the package."""
        words: dict[str, tuple[str, float]] = {}
        simplified: dict[str, str] = {}
        for line in LIST.read_text(encoding="utf-8").splitlines():
            if not line or line.startswith("#"):
                continue
            kind, *found = line.split()
            if kind == "traditional":
                simplified |= {pair[0]: pair[1] for pair in found}
            else:
                words |= dict.fromkeys(found, _meaning(kind))
        return cls(words, simplified)

    def score(self, text: str) -> float:
        """-1 to 1: the sum s of the valences, squashed, s / sqrt(s^2 + 15)."""
        plain = unicodedata.normalize("NFKC", text).translate(self._simplified)
        total = sum(self._sentence(sentence) for sentence in SENTENCE.split(plain))
        return total / sqrt(total * total + ALPHA)

    def _sentence(self, sentence: str) -> float:
        tally, contrasted = _Tally(), False
        for clause in CLAUSE.split(sentence):
            tally.since = REACH + 1
            for kind, number, length in self._read(clause):
                tally.since += length
                match kind:
                    case "valence":
                        tally.say(number)
                    case "factor":
                        tally.change(number)
                    case "contrast":
                        tally.contrast()
                        contrasted = True
        return sum(tally.valences) * (BEHIND if contrasted else 1.0)

    def _read(self, clause: str) -> Iterator[tuple[str, float, int]]:
        """Kind, number and length of what stands there, from left to right."""
        at = 0
        while at < len(clause):
            for length in range(min(self._longest, len(clause) - at), 0, -1):
                if (found := self._words.get(clause[at : at + length])) is not None:
                    yield (*found, length)
                    break
            else:
                length = 1
                yield "plain", 0.0, length
            at += length


def _meaning(kind: str) -> tuple[str, float]:
    if kind in ("contrast", "plain"):
        return kind, 0.0
    if kind == "deny":
        return "factor", NEGATED
    name, _, factor = kind.partition(":")
    return ("factor", float(factor)) if name == "degree" else ("valence", float(kind))
