"""One SQLite table a dataclass: its fields are the columns, their types the columns' types."""

import dataclasses
import hashlib
import math
import sqlite3
import types
import typing
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import numpy as np

Row = TypeVar("Row")
SQL_TYPES = {int: "INTEGER", bool: "INTEGER", float: "REAL", str: "TEXT", bytes: "BLOB"}


class Table(Generic[Row]):
    """One table of rows of one dataclass; the first `key_columns` fields are its primary key."""

    def __init__(
        self, db: sqlite3.Connection, row_type: type[Row], *, key_columns: int = 1
    ) -> None:
        self._db = db
        self._row_type = row_type
        self._name = row_type.__name__.removesuffix("Row").lower()
        hints = typing.get_type_hints(row_type)
        self._fields = [f.name for f in dataclasses.fields(row_type)]  # type: ignore[arg-type]
        self._keys = self._fields[:key_columns]
        self._decoders = [_decoder(hints[name]) for name in self._fields]
        self._columns = [f"{name} {_sql_type(hints[name])}" for name in self._fields]
        self._upsert = self._upsert_statement()

    def create(self) -> None:
        """Make the table where it is absent."""
        columns = ", ".join(self._columns)
        keys = ", ".join(self._keys)
        has_rowid = self._columns[0].endswith("INTEGER") and len(self._keys) == 1
        rowid = "" if has_rowid else " WITHOUT ROWID"
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._name} ({columns}, PRIMARY KEY ({keys})){rowid}"
        )

    def save(self, row: Row) -> None:
        """Insert a row, or replace the one with the same key."""
        self._db.execute(self._upsert, self._encode(row))

    def save_all(self, rows: Iterable[Row]) -> None:
        """Insert rows, or replace those with the same keys."""
        self._db.executemany(self._upsert, map(self._encode, rows))

    def select(self, where: str = "1", *values: object) -> list[Row]:
        """Return the rows that satisfy an SQL condition, by key."""
        columns, keys = ", ".join(self._fields), ", ".join(self._keys)
        sql = f"SELECT {columns} FROM {self._name} WHERE {where} ORDER BY {keys}"
        return [self._decode(record) for record in self._db.execute(sql, _asked(values))]

    def values(
        self, columns: tuple[str, ...], where: str = "1", *values: object
    ) -> list[tuple[Any, ...]]:
        """Return some columns of the rows that satisfy an SQL condition, as SQLite keeps them, in any order."""
        sql = f"SELECT {', '.join(columns)} FROM {self._name} WHERE {where}"
        return self._db.execute(sql, _asked(values)).fetchall()

    def first(self, where: str, *values: object, order: str, limit: int) -> list[Row]:
        """Return the rows that satisfy an SQL condition and come first in an order, in it."""
        columns = ", ".join(self._fields)
        sql = f"SELECT {columns} FROM {self._name} WHERE {where} ORDER BY {order} LIMIT ?"
        return [self._decode(record) for record in self._db.execute(sql, (*_asked(values), limit))]

    def get(self, *key: object) -> Row | None:
        """Return the row with this key."""
        rows = self.select(" AND ".join(f"{name} = ?" for name in self._keys), *key)
        return rows[0] if rows else None

    def last(self) -> Row | None:
        """Return the row with the highest key."""
        rows = self.select(f"{self._keys[0]} = (SELECT max({self._keys[0]}) FROM {self._name})")
        return rows[-1] if rows else None

    def delete(self, where: str, *values: object) -> None:
        """Remove the rows that satisfy an SQL condition."""
        self._db.execute(f"DELETE FROM {self._name} WHERE {where}", _asked(values))

    def count(self, where: str = "1", *values: object) -> int:
        """Count the rows that satisfy an SQL condition."""
        ((count,),) = self.values(("count(*)",), where, *values)
        return int(count)

    def hash_into(self, digest: "hashlib.blake2b") -> None:
        """Feed every row to a hash, by key."""
        keys = ", ".join(self._keys)
        for record in self._db.execute(f"SELECT * FROM {self._name} ORDER BY {keys}"):
            digest.update(repr(record).encode())

    def _upsert_statement(self) -> str:
        """Return SQL that updates in place: triggers see whether a row is new, and indexes what changed."""
        columns, marks = ", ".join(self._fields), ", ".join("?" * len(self._fields))
        values = ", ".join(f"{name} = excluded.{name}" for name in self._fields[len(self._keys) :])
        return (
            f"INSERT INTO {self._name} ({columns}) VALUES ({marks}) "
            f"ON CONFLICT ({', '.join(self._keys)}) DO "
            + (f"UPDATE SET {values}" if values else "NOTHING")
        )

    def _encode(self, row: Row) -> list[object]:
        return [_encode(getattr(row, name)) for name in self._fields]

    def _decode(self, record: tuple[Any, ...]) -> Row:
        values = (
            None if value is None else decode(value)
            for value, decode in zip(record, self._decoders, strict=True)
        )
        return self._row_type(*values)


def _asked(values: tuple[object, ...]) -> list[object]:
    """Return what a condition is asked with: a number that no INTEGER holds is equal to none, and beyond all."""
    return [
        (math.inf if value > 0 else -math.inf)
        if isinstance(value, int) and not -(2**63) <= value < 2**63
        else value
        for value in values
    ]


def _encode(value: object) -> object:
    if isinstance(value, np.ndarray):
        return np.asarray(value, dtype="<f8").tobytes()
    return value


def _plain_type(hint: object) -> Any:
    """Return the type behind `X | None`."""
    if isinstance(hint, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return hint


def _sql_type(hint: object) -> str:
    plain = _plain_type(hint)
    if plain in SQL_TYPES:
        return SQL_TYPES[plain]
    return "TEXT" if isinstance(plain, type) and issubclass(plain, str) else "BLOB"


def _decoder(hint: object) -> Any:
    plain = _plain_type(hint)
    if plain in (bool, bytes, float, int, str) or (
        isinstance(plain, type) and issubclass(plain, str)
    ):
        return plain
    return lambda blob: np.frombuffer(blob, "<f8").astype(np.float64)
