"""What was not as documented and was understood all the same: counted by field and kind, and logged once."""

from __future__ import annotations

import logging
from collections import Counter

log = logging.getLogger(__name__)

# The value was an empty string or null, and counts as absent.
EMPTY, NULL = "empty", "null"
# A number in a string, and a number where a string is expected.
NUMBER_IN_STRING, NUMBER = "number_in_string", "number"
# One thing where a list is expected, a thing whose name counts, and an empty part of a list, which is left out.
ONE_FOR_LIST, NAMED, EMPTY_PART = "one_for_list", "named_object", "empty_part"
# Half a character was replaced by U+FFFD.
HALF_CHARACTER = "half_character"
# A field of another name was read in place of it, or was not.
OTHER_NAME, NOT_READ = "other_name", "not_read"
# 0, 1 or a word for a boolean.
BOOLEAN = "boolean"
# Bytes around the JSON object.
BYTE_ORDER_MARK, SCHEMA_REGISTRY = "byte_order_mark", "schema_registry"
# An event that names no item and says nothing moves no interest.
NOTHING_TO_LEARN = "nothing_to_learn"

# Kinds by field are few; a bound all the same, since they are labels of a metric.
MOST = 500
# Names that producers chose and that are told apart in the log.
MOST_NAMES = 20


class Forgiven:
    """Counts of one topic; fields are names that we know, never the producer's own."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._logged: set[tuple[str, str, str]] = set()

    def note(self, field: str, kind: str) -> None:
        """Count one."""
        if (field, kind) in self.counts or len(self.counts) < MOST:
            self.counts[field, kind] += 1

    def log_once(self, field: str, kind: str, message: str, name: str = "") -> None:
        """Count one, and tell the first of its field and kind in the log. name: the producer's, of a part of the
        field; the first of each name is told, of MOST_NAMES names."""
        self.note(field, kind)
        about = field, kind, name
        if about not in self._logged and len(self._logged) < (MOST_NAMES if name else MOST):
            self._logged.add(about)
            log.warning("%s (logged once; interestflow_forgiven_total counts)", message)
