"""A small shop as the file of a data set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.streams.history.evaluate.worlds import drawn

START = datetime(2011, 1, 1, tzinfo=UTC)


def shop_file(folder: Path, visits: int = 60) -> Path:
    """Write the visits of `drawn` as UCI Online Retail has them."""
    lines = ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    for number, one in enumerate(drawn(visits).visits):
        moment = (START + timedelta(milliseconds=one.time)).replace(tzinfo=None)
        lines += [
            f"{number},{10000 + row},thing {row},1,{moment},1,{one.user},UK" for row in one.rows.tolist()
        ]
    path = folder / "online_retail.csv"
    path.write_text("\n".join(lines))
    return path
