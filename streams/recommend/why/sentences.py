"""A sentence for each reason, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

# Of what no template is written for.
OTHER, EVENT, ITEM = "other", "event", "{item}"
# Under a reason's name the sentence where nothing more is known; behind a dot what is known: the action of an event, or
# which of several, as of `Path`. A template with {item} is of a path that begins at an event on that item.
ENGLISH: Mapping[str, str] = {
    OTHER: "It fits you best of all",
    EVENT: "Because of what you did before",
    "event.item": "Because you used {item}",
    "event.purchase": "Because you bought {item}",
    "event.play": "Because you played {item}",
    "event.view": "Because you viewed {item}",
    "event.like": "Because you like {item}",
    "event.rate": "Because you rated {item}",
    "event.save": "Because you saved {item}",
    "event.follow": "Because you follow {item}",
    "event.cart": "Because you put {item} into the cart",
    "event.dislike": "Unlike {item}, which you turned down",
    "content": "It is near what you use",
    "neighbours": "Others used it after what you used",
    "neighbours.item": "Others used it after {item}",
    "sessions": "Others used it together with what you used",
    "sessions.item": "Others used it together with {item}",
    "popularity": "Popular",
    "popularity.10m": "Popular right now",
    "popularity.6h": "Popular in the last hours",
    "popularity.1d": "Popular today",
    "popularity.7d": "Popular this week",
    "popularity.30d": "Popular this month",
    "popularity.90d": "Popular this season",
    "own": "You use it often",
    "similar": "It is much like what you used lately",
    "similar.item": "It is much like {item}",
    "towers": "Those with a taste like yours use it next",
    "friends": "Your friends use it",
    "cold": "New: its text is near what you use",
    "exploration": "Something else: perhaps you like it",
    "diversity": "For a change",
    "context": "It fits this moment",
}
CHINESE: Mapping[str, str] = {
    OTHER: "综合来看最适合你",
    EVENT: "根据你之前的行为",
    "event.item": "因为你用过{item}",
    "event.purchase": "因为你购买过{item}",
    "event.play": "因为你播放过{item}",
    "event.view": "因为你浏览过{item}",
    "event.like": "因为你喜欢{item}",
    "event.rate": "因为你评价过{item}",
    "event.save": "因为你收藏过{item}",
    "event.follow": "因为你关注了{item}",
    "event.cart": "因为你把{item}加入了购物车",
    "event.dislike": "不同于你不喜欢的{item}",
    "content": "与你用过的内容相近",
    "neighbours": "其他人在你用过的内容之后也用了它",
    "neighbours.item": "其他人用过{item}之后也用了它",
    "sessions": "其他人常把它和你用过的内容一起用",
    "sessions.item": "其他人常把它和{item}一起用",
    "popularity": "热门",
    "popularity.10m": "此刻热门",
    "popularity.6h": "最近几小时热门",
    "popularity.1d": "今日热门",
    "popularity.7d": "本周热门",
    "popularity.30d": "本月热门",
    "popularity.90d": "近三个月热门",
    "own": "你经常用它",
    "similar": "与你最近用过的内容很像",
    "similar.item": "与{item}很像",
    "towers": "与你口味相近的人接下来会用它",
    "friends": "你的朋友在用它",
    "cold": "新品，文字描述与你用过的内容相近",
    "exploration": "换个口味，也许你会喜欢",
    "diversity": "换换花样",
    "context": "适合当下的你",
}
LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "zh": CHINESE}


def sentence(templates: Mapping[str, str], name: str, which: str = "", title: str = "") -> str:
    """Of one reason. name: EVENT, or of a feature. which: its action, or which of several. title: of the item where it
    begins; empty for none.

    What has no template of its own has a more general one.
    """
    for key in (f"{name}.{which}", f"{name}.item", name):
        template = templates.get(key)
        if template is not None and (title or ITEM not in template):
            return template.replace(ITEM, title)
    return templates[OTHER]
