"""Writes a data set to a disk that turns out to be full, and prints what it is told: `overflowing.py FOLDER`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from feedrate.data.dataset import DataSet
from feedrate.data.field import Field
from feedrate.errors import DataError
from tests.support.tables import ARROW, Table

WIDE = Field("row_id", "uint64", "int64"), Field("wide", "float32", "float32", (5_000,))
TABLES = (
    Table("arrow", ARROW | {"compression": "none"}, fields=WIDE),
    Table("parquet", {"compression": "none"}, fields=WIDE),
    *(Table("hdf5", {"layout": layout}, fields=WIDE) for layout in ("contiguous", "chunked")),
)

if __name__ == "__main__":
    room = shutil.disk_usage(sys.argv[1])
    shutil.disk_usage = lambda path: room._replace(free=1 << 40)
    for table in TABLES:
        try:
            DataSet.write(Path(sys.argv[1], "table"), table)
        except DataError as error:
            print(error)
