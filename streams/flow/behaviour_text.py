"""Behaviour as text: what an event says in words, for encoders that read behaviour rather than its item alone."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from string import Formatter

import orjson

from streams.events.canonical import Event
from streams.flow.decoded import Decoded
from streams.interest.base import NO_ITEM, Floats
from streams.recommend import Catalog
from streams.settings.action_words import PerWord, known_word

FIELDS = ("title", "text", "value")

ENGLISH = {
    "view": "viewed {title}",
    "click": "clicked on {title}",
    "play": "played {title}",
    "search": "searched for {text}",
    "follow": "followed {title}",
    "comment": "commented on {title}",
    "review": "reviewed {title}",
    "like": "liked {title}",
    "share": "shared {title}",
    "cart": "put {title} into the cart",
    "rate": "rated {title} {value} of 5",
    "tag": "tagged {title}",
    "purchase": "bought {title}",
    "return": "returned {title}",
    "dislike": "disliked {title}",
    "hide": "hid {title}",
}
CHINESE = {
    "view": "浏览了{title}",
    "click": "点击了{title}",
    "play": "播放了{title}",
    "search": "搜索了{text}",
    "follow": "关注了{title}",
    "comment": "评论了{title}",
    "review": "评价了{title}",
    "like": "喜欢{title}",
    "share": "分享了{title}",
    "cart": "把{title}加入了购物车",
    "rate": "给{title}打了{value}分(满分5分)",
    "tag": "给{title}加了标签",
    "purchase": "购买了{title}",
    "return": "退回了{title}",
    "dislike": "不喜欢{title}",
    "hide": "隐藏了{title}",
}
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


class TemplateError(ValueError):
    """A template cannot be filled; the message says what to do."""


class Templates:
    """One sentence per action, with places for the item's title and the event's text and value."""

    def __init__(self, templates: Mapping[str, str]) -> None:
        """templates: by action, with fields of FIELDS in braces. Raises TemplateError."""
        self._templates = dict(templates)
        self._fields = {action: _fields(action, template) for action, template in templates.items()}
        self._words = PerWord(lambda action: known_word(action, self._fields))
        # Of all that decides a text: states that were built with others are of another space.
        digest = blake2b(orjson.dumps(self._templates, option=orjson.OPT_SORT_KEYS), digest_size=8)
        self.version = digest.hexdigest()

    def fill(self, event: Event, title: str) -> str | None:
        """What the event says, title ("" where unknown) being its item's; None where something for it is missing."""
        if (action := self._words[event.action]) is None:
            return None
        fields = self._fields[action]
        value = "" if event.value is None else f"{event.value:g}"
        known = {"title": title.strip(), "text": (event.text or "").strip(), "value": value}
        if not all(known[field] for field in fields):
            return None
        return self._templates[action].format_map(known)

    def fill_all(self, decoded: Decoded, weights: Floats, catalog: Catalog) -> bool:
        """Fill the sentences of a batch's events that have none and whose item is known; true where any is new.

        weights: (n,) of the events' actions; an event of weight 0 needs no sentence.
        """
        before = len(decoded.sentences)
        for index, weight in enumerate(weights.tolist()):
            event = decoded.events[index]
            row = NO_ITEM if event.item_id is None else catalog.row_of.get(event.item_id)
            if weight == 0 or row is None or index in decoded.sentences:
                continue
            if sentence := self.fill(event, "" if row == NO_ITEM else catalog.title(row)):
                decoded.sentences[index] = sentence
        return len(decoded.sentences) > before


def _fields(action: str, template: str) -> frozenset[str]:
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"the template of {action!r}, {template!r}, is wrong: {error}") from error
    places = [(name, spec, conversion) for _, name, spec, conversion in parsed if name is not None]
    for name, spec, conversion in places:
        if name not in FIELDS or spec or conversion:
            raise TemplateError(
                f"the template of {action!r}, {template!r}, has a field that no event has: use "
                f"{', '.join(f'{{{field}}}' for field in FIELDS)} as they stand"
            )
    fields = frozenset(name for name, *_ in places)
    if not fields & {"title", "text"}:
        raise TemplateError(
            f"the template of {action!r}, {template!r}, says the same of everything: name {{title}} or {{text}}"
        )
    return fields
