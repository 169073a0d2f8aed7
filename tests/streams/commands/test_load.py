"""`interestflow load` has a verb for every data set."""

from __future__ import annotations

from streams.commands.load import HELP
from streams.datasets import DATASETS


def test_each_data_set_can_be_loaded() -> None:
    assert HELP.keys() == DATASETS.keys()
