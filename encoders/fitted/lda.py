"""Topics as a space: latent Dirichlet allocation over the words of the catalog's texts.

A text's vector is the square root of its mixture of topics, which is a unit row; the cosine of two is then the
Bhattacharyya coefficient of their mixtures. Fitted by online variational Bayes (Hoffman, Blei and Bach, Online
Learning for Latent Dirichlet Allocation, NIPS 2010) with scikit-learn; encoding is the E-step of the same paper
in numpy, a fixed number of iterations, text by text, so that a text has the same bits in any batch and a worker
needs no scikit-learn. Order and unknown words are lost; no model of a language is needed.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np

from encoders.core.base import EncoderError, Vectors
from encoders.core.options import EncoderOptions
from encoders.fitted.fitted_file import FittedFile
from encoders.fitted.moments import Doubles

FILE = FittedFile("interestflow-topics-1", "topics", "topics", EncoderError)
WORD = re.compile(r"\w\w+")
# After so many E-steps a mixture of some words moves no more in float32.
ITERATIONS = 50
BATCH = 256


class TopicEncoder:
    """Texts into mixtures of topics; texts of which no word is known share one vector."""

    id = "topics"

    def __init__(self, words: Sequence[str], weights: Doubles, prior: float) -> None:
        """words: W of them. weights (topics, W) > 0: the Dirichlet parameters of each topic's words. prior: of a
        text's mixture, > 0. Raises EncoderError."""
        if weights.ndim != 2 or weights.shape[1] != len(words) or not (weights > 0).all() or not prior > 0:
            raise EncoderError(_advice(f"topics of shape {weights.shape} do not fit {len(words)} words"))
        self.words, self.weights, self.prior = list(words), weights, prior
        self.dim = len(weights)
        self._number = {word: number for number, word in enumerate(words)}
        self._likely = np.exp(digamma(weights) - digamma(weights.sum(axis=1, keepdims=True)))
        digest = blake2b(json.dumps([self.words, prior]).encode(), digest_size=8)
        digest.update(np.ascontiguousarray(weights, dtype="<f8").tobytes())
        self.revision = digest.hexdigest()

    @classmethod
    def fit(
        cls,
        read: Callable[[], Iterable[str]],
        topics: int = 128,
        words: int = 20_000,
        passes: int = 10,
        seed: int = 0,
    ) -> TopicEncoder:
        """From texts that are read anew in each pass; memory holds the words and topics alone. Words that occur in
        one text only are left out, and of the others those of the fewest texts, beyond `words`. Raises EncoderError."""
        try:
            from sklearn.decomposition import LatentDirichletAllocation
            from sklearn.feature_extraction.text import CountVectorizer
        except ImportError as error:
            advice = "fitting topics needs scikit-learn: run `pip install 'interestflow[topics]'`"
            raise EncoderError(advice) from error
        vocabulary, count = _vocabulary(read(), words)
        if len(vocabulary) < 2:
            raise EncoderError(_advice(f"{count} texts share fewer than two words"))
        counter = CountVectorizer(analyzer=words_of, vocabulary=vocabulary)
        model = LatentDirichletAllocation(topics, total_samples=count, random_state=seed)
        for _ in range(passes):
            for batch in _batches(read()):
                model.partial_fit(counter.transform(batch))
        return cls(vocabulary, np.asarray(model.components_, dtype=np.float64), 1.0 / topics)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder."""
        rows = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            rows[row] = np.sqrt(self._mixture(text))
        return rows

    def _mixture(self, text: str) -> Doubles:
        """(topics,) the expected share of each topic in the text."""
        found = Counter(number for word in words_of(text) if (number := self._number.get(word)) is not None)
        counts = np.array(list(found.values()), dtype=np.float64)
        likely = self._likely[:, list(found)]
        gamma = np.full(self.dim, self.prior + counts.sum() / self.dim)
        for _ in range(ITERATIONS if len(found) else 0):
            theta = np.exp(digamma(gamma) - digamma(gamma.sum()))
            gamma = self.prior + theta * (likely @ (counts / np.maximum(theta @ likely, TINY)))
        mixture: Doubles = gamma / gamma.sum()
        return mixture

    def save(self, path: Path) -> None:
        """As safetensors, with the words."""
        about = {"words": json.dumps(self.words), "prior": repr(self.prior)}
        FILE.save(path, {"weights": self.weights}, self.revision, about)

    @classmethod
    def load(cls, path: Path) -> TopicEncoder:
        """Raises EncoderError where the file is missing, damaged or holds no topics."""
        return FILE.load(
            path,
            lambda tensors, about: cls(json.loads(about["words"]), tensors["weights"], float(about["prior"])),
            lambda made: made.revision,
        )


TINY = float(np.finfo(np.float64).tiny)


def words_of(text: str) -> list[str]:
    """Words of two letters or digits and more, compatibility forms folded, in lower case."""
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def digamma(x: Doubles) -> Doubles:
    """For x > 0, to about 1e-12: seven steps of the recurrence, then the asymptotic series (Abramowitz and Stegun
    6.3.5 and 6.3.18)."""
    found, at = np.zeros_like(x), np.asarray(x, dtype=np.float64)
    for _ in range(7):
        found = found - 1.0 / at
        at = at + 1.0
    square = 1.0 / (at * at)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    made: Doubles = found + np.log(at) - 0.5 / at - series
    return made


def _vocabulary(texts: Iterable[str], most: int) -> tuple[list[str], int]:
    """Words in alphabetical order, and how many texts there are."""
    frequency: Counter[str] = Counter()
    count = 0
    for count, text in enumerate(texts, 1):  # noqa: B007  # the last one is what is asked for
        frequency.update(set(words_of(text)))
    known = sorted(((-n, word) for word, n in frequency.items() if n > 1))[:most]
    return sorted(word for _, word in known), count


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    source = iter(texts)
    while batch := list(islice(source, BATCH)):
        yield batch


def _advice(what: str) -> str:
    return f"{what}: fit topics from a catalog's texts, and save them, anew"


def from_settings(options: EncoderOptions) -> TopicEncoder:
    """From the file of `interestflow fit topics`. Raises EncoderError."""
    if options.topics is None:
        raise EncoderError(
            "the encoder topics needs a file: run `interestflow fit topics` and set INTERESTFLOW_TOPICS to it"
        )
    return TopicEncoder.load(options.topics)
