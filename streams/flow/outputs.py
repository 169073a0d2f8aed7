"""The bytes of what is published: interest vectors and recommendations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from sinks.base import TopicRecords
from streams.flow.decoded import KeyValues
from streams.flow.vector_formats import BINARY, apart, in_arrays, in_base64, records_in_base64, with_bytes
from streams.interest.base import Interests, Longs
from streams.kernels.compiling import compiled

# Fields of an output by which a consumer tells the newer of two; see Writer.vectors.
ORDER = ("generation", "count", "term", "offset", "version")
# What a record says of the state that it was made from, behind what is the same for all of a call.
STATE = b',"offset":%d,"version":%d,"term":%d,"count":%d,"as_of":%d'


class Writer:
    """Renders records of one model and generation.

    A record is a template that is filled: a dictionary per record, made only to be dumped, costs three times as much.
    """

    def __init__(self, model: str, generation: int, vector_format: str) -> None:
        """vector_format: `base64` (little-endian float32) or `array`, in JSON; or one of `vector_formats.BINARY`."""
        self.generation, self._format = generation, vector_format
        self._model = orjson.dumps(model)
        self._in_json = in_arrays if vector_format == "array" else in_base64

    def vectors(
        self,
        partition: int,
        users: Sequence[str],
        states: Any,
        counts: Longs,
        as_of: Longs,
        interests: Interests,
    ) -> list[tuple[bytes, bytes]]:
        """One (key, value) per user; of two a consumer keeps the one that is higher by ORDER.

        counts: (n,) events that made each vector; it comes before the offset, for an event that waited for its
        item is older than others that were in the vector before. The term is that of the state's last change, and
        comes before the offset, too: of two workers that applied the same events in another order, or read them in
        other batches, the one that replaced the other counts. as_of: (n,) event time of the newest, ms.

        A record has `vector` where the model has one vector per user, `vectors` and their `shares` where it has
        several. In a binary format the value is what `topic_records` takes apart.
        """
        if not users:
            return []
        keys, names = _quoted(users)
        columns = _of_states(states, counts, as_of)
        # One vector per user leaves nothing to write that is JSON of its own.
        plain = self._format == "base64" and interests.vectors.shape[1] == 1
        render = self._compiled if plain and compiled() else self._filled
        return list(zip(keys, render(partition, names, columns, interests), strict=True))

    def topic_records(self, topic: str, vectors: KeyValues) -> TopicRecords:
        """What `vectors` gave, as it is published."""
        return apart(self._format, topic, vectors) if self._format in BINARY else TopicRecords(topic, vectors)

    def recommendations(
        self,
        partition: int,
        users: Sequence[str],
        states: Any,
        counts: Longs,
        as_of: Longs,
        items: Sequence[str],
    ) -> list[tuple[bytes, bytes]]:
        """One (key, value) per user, ordered like vectors; items: what `rendering.ranked_items` gave.

        The id is the same whenever the same state is recommended again.
        """
        if not users:
            return []
        keys, names = _quoted(users)
        offsets, versions, *others = (column.tolist() for column in _of_states(states, counts, as_of))
        number = b"%d-%d-%%d-%%d-%%b" % (self.generation, partition)
        template = (
            b'{"user_id":"%b","recommendation_id":"'
            + number
            + b'"'
            + self._about(partition)
            + b',"items":%b}'
        )
        ranked = [one.encode() for one in items]
        filled = zip(names, offsets, versions, names, offsets, versions, *others, ranked, strict=True)
        return list(zip(keys, [template % row for row in filled], strict=True))

    def list_ids(self, partition: int, users: Sequence[str], states: Any) -> list[str]:
        """The `recommendation_id` of each user's list."""
        columns = states["offset"].tolist(), (states["applied"] + 1).tolist()
        return [
            f"{self.generation}-{partition}-{offset}-{version}-{user}"
            for offset, version, user in zip(*columns, users, strict=True)
        ]

    def _filled(
        self, partition: int, names: Sequence[bytes], columns: Sequence[Longs], interests: Interests
    ) -> list[bytes]:
        """Values of vector records."""
        form, vectors = self._forms(interests)
        template = b'{"user_id":"%b"' + self._about(partition) + form + b"}"
        filled = zip(names, *(column.tolist() for column in columns), *vectors, strict=True)
        values = [template % row for row in filled]
        return with_bytes(self._format, values, interests.vectors) if self._format in BINARY else values

    def _compiled(
        self, partition: int, names: Sequence[bytes], columns: Sequence[Longs], interests: Interests
    ) -> list[bytes]:
        """The same by compiled code, for one vector per user in base64."""
        first, *between, last = STATE.split(b"%d")
        begin = b',"dim":%d,"vector":"' % interests.vectors.shape[2]
        pieces = [b'{"user_id":"', b'"' + self._fixed(partition) + first, *between, last + begin, b'"}']
        return records_in_base64(pieces, names, np.stack(columns, axis=1), interests.vectors[:, 0])

    def _forms(self, interests: Interests) -> tuple[bytes, list[list[bytes]]]:
        """Template of what each record says of its user's vectors, and the columns that stand in it."""
        _, number, dim = interests.vectors.shape
        form, columns = b',"dim":%d' % dim, []
        if self._format not in BINARY:
            vectors, column = self._in_json(interests.vectors)
            form += b"," + vectors
            columns.append(column)
        if number > 1:
            form += b',"shares":%b'
            columns.append([orjson.dumps(shares) for shares in interests.shares.tolist()])
        return form, columns

    def _about(self, partition: int) -> bytes:
        """Template of what each record says of the state that it was made from."""
        return self._fixed(partition).replace(b"%", b"%%") + STATE

    def _fixed(self, partition: int) -> bytes:
        """What is the same for all records of a partition."""
        return b',"model":%b,"generation":%d,"partition":%d' % (self._model, self.generation, partition)


def _of_states(states: Any, counts: Longs, as_of: Longs) -> list[Longs]:
    """The columns of STATE."""
    columns = (states["offset"], states["applied"] + 1, states["epoch"], counts, as_of)
    return [np.asarray(column, dtype=np.int64) for column in columns]


def _quoted(users: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    """Each user, one at least, as a key, and as JSON without the quotation marks."""
    together = orjson.dumps(users)
    if b"\\" not in together:  # nothing is escaped, so every quotation mark is one of JSON
        plain = together[2:-2].split(b'","')
        return plain, plain
    return [user.encode() for user in users], [orjson.dumps(user)[1:-1] for user in users]
