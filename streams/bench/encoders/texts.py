"""What is encoded: the texts of real catalogs, and a set in two languages that is made here."""

from __future__ import annotations

from pathlib import Path
from random import Random

from streams.bench.errors import BenchError
from streams.catalog.items import Item
from streams.datasets import read_movielens, read_online_retail
from streams.demo.simulate import FORMS, THEMES

RETAIL, MOVIELENS = "uci-online-retail/online_retail.csv.gz", "ml-latest-small"
PRODUCTS = (
    "手工 陶瓷 茶杯 红色 蓝色 棉布 围裙 圣诞 装饰 灯串 木制 相框 复古 时钟 儿童 餐盒 花园 浇水壶 玫瑰 香味 蜡烛 礼品 "
    "包装纸 银色 耳环 玻璃 花瓶 旅行 背包 折叠 雨伞 不锈钢 保温 水壶 纪录片 科幻 电影 爱情 喜剧 悬疑 小说 历史 传记 "
    "音乐 吉他 入门 教程 跑步 鞋 登山 帐篷 咖啡 研磨 器 面包 烤箱 手套 天文 望远镜 国际象棋 套装 自行车 头盔 水彩 画笔"
)
CHINESE = PRODUCTS.split()
ENGLISH = sorted({word for words in THEMES.values() for word in words.split()})
# Words of a text: most are titles, some are descriptions.
TITLE, DESCRIPTION, DESCRIBED = (2, 8), (12, 40), 0.15


def english(data: Path | None, count: int, seed: int) -> tuple[list[str], str]:
    """So many texts, and where they are from. data: the folder with the data sets' folders; made here without one.

    Raises BenchError where the folder lacks them.
    """
    rng = Random(f"{seed} english")
    if data is None:
        return [_made(rng, ENGLISH, " ") for _ in range(count)], "made here; --data reads real catalogs"
    missing = [name for name in (RETAIL, MOVIELENS) if not (data / name).exists()]
    if missing:
        raise BenchError(
            f"{data} lacks {', '.join(missing)}: give the folder that holds them, or leave out --data"
        )
    sets = (read_online_retail(data / RETAIL), read_movielens(data / MOVIELENS))
    # As the catalog would read them; an item's title may be its code alone, and is a text all the same.
    found = sorted({Item(**item).text() for dataset in sets for item in dataset.items})
    return rng.sample(
        found, min(count, len(found))
    ), "catalog texts of UCI Online Retail and MovieLens (small)"


def mixed(count: int, seed: int) -> list[str]:
    """So many Chinese and English texts in turn, most of them short: seeded."""
    rng = Random(f"{seed} mixed")
    return [_made(rng, CHINESE, "") if number % 2 else _made(rng, ENGLISH, " ") for number in range(count)]


def of_tokens(count: int, tokens: int, words: list[str], seed: int) -> list[str]:
    """So many texts of so many words that are one token each."""
    rng = Random(f"{seed} {tokens}")
    return [" ".join(rng.choices(words, k=tokens)) for _ in range(count)]


def _made(rng: Random, words: list[str], between: str) -> str:
    low, high = DESCRIPTION if rng.random() < DESCRIBED else TITLE
    text = between.join(rng.choices(words, k=rng.randint(low, high)))
    return rng.choice(FORMS).format(text, rng.choice(words)) if between else text
