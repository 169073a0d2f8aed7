"""UCI Online Retail: 541,909 invoice lines of a British gift shop, December 2010 to December 2011.

Every line is one event: a purchase, or a return where the quantity is negative; value is the quantity without
its sign. Lines of what is no good (postage, fees, discounts, vouchers: codes that do not begin with five
digits) are `fee` events without item. Stock codes that differ in case only are one item. The shop's local
times are taken as UTC.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

from streams.datasets.base import Dataset, DatasetError, reading

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "CustomerID")
GOODS = re.compile(r"\d{5}")
EXPECTED = "give the file online_retail.csv or online_retail.csv.gz of UCI Online Retail"


def read_online_retail(path: Path) -> Dataset:
    """From the CSV file, plain or gzipped. Raises DatasetError."""
    titles: dict[str, Counter[str]] = defaultdict(Counter)
    total = without_user = fees = 0
    with reading(path, EXPECTED):
        for _, stock_code, description, quantity, _, customer in _lines(path):
            total += 1
            without_user += not customer
            code = stock_code.upper()
            if GOODS.match(code):
                titles[code][description.strip()] += int(quantity) > 0
            else:
                fees += 1
    items = [{"item_id": code, "title": _title(code, seen)} for code, seen in sorted(titles.items())]
    notes = {"without_user": without_user, "fees": fees}
    return Dataset(items, _events(path), total, notes)


def _lines(path: Path) -> Iterator[Sequence[str]]:
    """Each line's fields in the order of COLUMNS."""
    if not path.is_file():
        raise DatasetError(f"{path} is no file: {EXPECTED}")
    with reading(path, EXPECTED), _open(path) as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if not set(header) >= set(COLUMNS):
            raise DatasetError(f"{path} has other columns: {EXPECTED}")
        yield from map(itemgetter(*map(header.index, COLUMNS)), reader)


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _title(code: str, seen: Counter[str]) -> str:
    """The description most often bought under; the code itself where there is none."""
    named = {text: count for text, count in seen.items() if text}
    return max(named, key=lambda text: (named[text], text)) if named else code


def _events(path: Path) -> Iterator[dict[str, Any]]:
    with reading(path, EXPECTED):
        for number, (invoice, stock_code, _, quantity, date, customer) in enumerate(_lines(path)):
            count, code = int(quantity), stock_code.upper()
            event: dict[str, Any] = {
                "event_id": f"{invoice}-{number}",
                "user_id": customer.removesuffix(".0") or None,
                "action": "purchase" if count > 0 else "return",
                "value": abs(count),
                "timestamp": _milliseconds(date),
                "source": "online-retail",
            }
            yield {**event, "item_id": code} if GOODS.match(code) else {**event, "action": "fee"}


@lru_cache(maxsize=64)  # every line of an invoice has the same time
def _milliseconds(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)
