"""An item's state as a row of fixed size: the store's header, and what is known of the item."""

from __future__ import annotations

import numpy as np

from streams.items.layout import ITEM_DTYPE
from streams.state.layout import STORE_FIELDS, Layout

DEPENDS_ON = "version of what is kept of an item"


class ItemLayout(Layout):
    """offset: of the last record of signals that was taken in, in their topic. applied, accepted: signals taken in."""

    def __init__(self) -> None:
        header = [(name, "<i8") for name in STORE_FIELDS]
        dtype = np.dtype([*header, ("item", ITEM_DTYPE)])
        super().__init__(dtype, f"items {dtype.descr!r}", DEPENDS_ON)
