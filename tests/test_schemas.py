import pytest

from spark_cxr import schemas
from spark_cxr.schemas import columns

TABLES = {name: ddl for name, ddl in vars(schemas).items() if name.isupper() and " " in ddl}
DESIGN = {
    "IMAGES": "path sha256 bytes modified format width height bits label source patient_id "
    "group_id",
    "QUARANTINE": "path sha256 reason detail",
    "PREDICTIONS": "path sha256 prediction confidence probabilities model scored_at",
    "FEATURE_ROWS": "path sha256 label features",
}
"""The columns that scripts outside rely on (DESIGN §4)."""


@pytest.mark.parametrize("table", DESIGN)
def test_table_has_the_columns_that_scripts_rely_on(table: str) -> None:
    assert set(DESIGN[table].split()) <= set(columns(TABLES[table]))


@pytest.mark.parametrize("table", ["QUARANTINE", "PREDICTIONS"])
def test_table_has_no_other_columns_than_promised(table: str) -> None:
    assert columns(TABLES[table]) == DESIGN[table].split()


@pytest.mark.parametrize("table", TABLES)
def test_no_table_has_a_column_twice(table: str) -> None:
    names = columns(TABLES[table])
    assert sorted(set(names)) == sorted(names)


def test_columns_are_read_in_their_order() -> None:
    assert columns("b string, a int") == ["b", "a"]


def test_a_comma_within_a_type_parts_no_columns() -> None:
    assert columns("m map<string,array<int>>, z struct<a int, b int>, y int") == ["m", "z", "y"]


def test_every_name_that_stands_as_a_constant_is_a_column_of_a_table() -> None:
    names = {word for name, word in vars(schemas).items() if name.isupper() and " " not in word}
    known = {name for ddl in TABLES.values() for name in columns(ddl)}
    assert names - known == set()


def test_same_column_has_the_same_type_in_every_table() -> None:
    kinds: dict[str, set[str]] = {}
    for ddl in TABLES.values():
        for name, word in zip(columns(ddl), ddl.split(", "), strict=True):
            kinds.setdefault(name, set()).add(word.split()[1])
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def test_test_predictions_are_predictions_with_the_truth_beside_them() -> None:
    extra = columns(schemas.TEST_PREDICTIONS)[len(columns(schemas.PREDICTIONS)) :]
    assert extra == ["label", "source", "group_id", "view"]
