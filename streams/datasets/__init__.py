"""Public data sets as catalog items and behaviour events, one file per data set, in event-time order."""

from streams.datasets.base import Dataset, DatasetError
from streams.datasets.lastfm import read_lastfm
from streams.datasets.movielens import read_movielens
from streams.datasets.online_retail import read_online_retail

DATASETS = {
    "online-retail": read_online_retail,
    "movielens": read_movielens,
    "lastfm": read_lastfm,
}

__all__ = ["DATASETS", "Dataset", "DatasetError", "read_lastfm", "read_movielens", "read_online_retail"]
