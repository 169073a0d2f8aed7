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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from streams.datasets.base import Dataset, DatasetError

COLUMNS = {"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "CustomerID"}
GOODS = re.compile(r"\d{5}")
EXPECTED = "give the file online_retail.csv or online_retail.csv.gz of UCI Online Retail"


def read_online_retail(path: Path) -> Dataset:
    """From the CSV file, plain or gzipped. Raises DatasetError."""
    titles: dict[str, Counter[str]] = defaultdict(Counter)
    total = without_user = fees = 0
    for line in _lines(path):
        total += 1
        without_user += not line["CustomerID"]
        code = line["StockCode"].upper()
        if GOODS.match(code):
            titles[code][line["Description"].strip()] += int(line["Quantity"]) > 0
        else:
            fees += 1
    items = [{"item_id": code, "title": _title(code, seen)} for code, seen in sorted(titles.items())]
    notes = {"without_user": without_user, "fees": fees}
    return Dataset(items, map(_event, enumerate(_lines(path))), total, notes)


def _lines(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise DatasetError(f"{path} is no file: {EXPECTED}")
    with _open(path) as file:
        reader = csv.DictReader(file)
        try:
            if not set(reader.fieldnames or ()) >= COLUMNS:
                raise DatasetError(f"{path} has other columns: {EXPECTED}")
            yield from reader
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(f"{path} cannot be read ({error}): {EXPECTED}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _title(code: str, seen: Counter[str]) -> str:
    """The description most often bought under; the code itself where there is none."""
    named = {text: count for text, count in seen.items() if text}
    return max(named, key=lambda text: (named[text], text)) if named else code


def _event(numbered: tuple[int, dict[str, str]]) -> dict[str, Any]:
    number, line = numbered
    quantity, code = int(line["Quantity"]), line["StockCode"].upper()
    moment = datetime.fromisoformat(line["InvoiceDate"]).replace(tzinfo=UTC)
    customer = line["CustomerID"].removesuffix(".0")
    event: dict[str, Any] = {
        "event_id": f"{line['InvoiceNo']}-{number}",
        "user_id": customer or None,
        "action": "purchase" if quantity > 0 else "return",
        "value": abs(quantity),
        "timestamp": int(moment.timestamp() * 1000),
        "source": "online-retail",
    }
    if GOODS.match(code):
        return {**event, "item_id": code}
    return {**event, "action": "fee"}
