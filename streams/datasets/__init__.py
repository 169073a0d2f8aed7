"""Public data sets, and files of your own, as catalog items and behaviour events in event-time order, one file each."""

from streams.datasets.base import Dataset, DatasetError
from streams.datasets.files import read_files
from streams.datasets.lastfm import read_lastfm
from streams.datasets.movielens import read_movielens
from streams.datasets.online_retail import read_online_retail

DATASETS = {
    "online-retail": read_online_retail,
    "movielens": read_movielens,
    "lastfm": read_lastfm,
    "files": read_files,
}

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetError",
    "read_files",
    "read_lastfm",
    "read_movielens",
    "read_online_retail",
]
