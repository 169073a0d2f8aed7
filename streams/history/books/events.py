"""What the canonical topic holds against what the states' progress records say was read of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass

import msgspec

from streams.history.books.ledger import OUTCOMES, Books
from streams.settings.action_words import PerWord, known_word, spell
from streams.state.changelog import Progress

# Distinct words that are counted, and characters of each: a producer may write anything.
MOST_WORDS, LONGEST_WORD = 1000, 64
# Words that are reported.
MOST_REPORTED = 20
# In a progress record's books beside the outcomes.
READ, REMOVED, REFUSED = "read", "removed", "rejected."


class _Action(msgspec.Struct):
    action: str = ""


_decode = msgspec.json.Decoder(_Action).decode


class Actions:
    """Events by those of their action words for which there is no rule."""

    def __init__(self, known: Container[str]) -> None:
        """known: the words that have a rule, as the flow knows them: every spelling and synonym of one has it, too."""
        self._has_rule = PerWord(lambda word: known_word(word, known) is not None)
        self._counts: Counter[str] = Counter()
        self._other = 0

    def add(self, value: bytes | None) -> None:
        """Count the action in a canonical record's value; a record that is no event has none."""
        try:
            action = _decode(value or b"").action
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not action or self._has_rule[action]:
            return
        word = spell(action)[:LONGEST_WORD]
        if word in self._counts or len(self._counts) < MOST_WORDS:
            self._counts[word] += 1
        else:
            self._other += 1

    def enter(self, books: Books) -> None:
        """The most frequent words, and how many events have others."""
        frequent = self._counts.most_common(MOST_REPORTED)
        books.actions_without_rule = dict(frequent)
        books.actions_without_rule_other = self._other + self._counts.total() - sum(n for _, n in frequent)


@dataclass(slots=True)
class CanonicalPartition:
    """One partition of the canonical topic."""

    # Its first offset now.
    begin: int = 0
    # Records up to the progress record of its state, and behind it.
    covered: int = 0
    unread: int = 0


def enter_progress(progress_by_partition: Mapping[int, Progress], books: Books) -> None:
    """The outcomes since the beginning, from the books of all partitions' progress records."""
    outcomes: Counter[str] = Counter()
    for progress in progress_by_partition.values():
        outcomes.update(progress.books)
    books.read = outcomes.pop(READ, 0)
    outcomes.pop(REMOVED, 0)
    refused = [name for name in outcomes if name.startswith(REFUSED)]
    books.rejected_update = sum(outcomes.pop(name) for name in refused)
    # A name that is not known here is an outcome, too: it must not unbalance the books.
    books.outcomes = {name: outcomes.pop(name, 0) for name in OUTCOMES} | dict(outcomes)
    booked = sum(books.outcomes.values()) + books.rejected_update
    if booked != books.read:
        books.problems.append(f"update read {books.read} events, but {booked} have an outcome")


def balance_events(
    topic: str,
    partitions: Mapping[int, CanonicalPartition],
    progress_by_partition: Mapping[int, Progress],
    compacted: bool,
    books: Books,
) -> None:
    """Compare per partition: each record that a progress record covers was read, and each that was read is there or was
    removed.

    Where nothing was removed from the topic both are equal. compacted: records may leave the topic anywhere.
    """
    for number, found in sorted(partitions.items()):
        books.unread += found.unread
        progress = progress_by_partition.get(number)
        counts = {} if progress is None else progress.books
        read, booked = counts.get(READ, 0), counts.get(REMOVED, 0)
        behind = 0 if progress is None else max(0, found.begin - progress.offset - 1)
        if removed := booked + behind:
            books.removed.append({"topic": topic, "partition": number, "offsets": removed})
        # Removed records may have been read, but for the offsets that were removed unread.
        most = found.covered + max(0, found.begin - removed)
        if found.covered > read or (read > most and not compacted):
            books.problems.append(_mismatch(f"{topic}-{number}", read, found.covered, most))


def _mismatch(name: str, read: int, covered: int, most: int) -> str:
    gone = "" if most == covered else f" and at most {most - covered:,} removed since"
    return f"{name}: {read:,} events were read, but {covered:,} are in the topic up to the mark of the state{gone}"
