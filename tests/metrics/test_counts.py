import pytest

from spark_cxr.metrics.counts import cramers_v


def test_table_worked_out_by_hand():
    # chi² = 100 (10·40 − 20·30)² / (30·70·40·60) = 0.79365; V = √(chi² / 100)
    assert cramers_v([[10, 20], [30, 40]]) == pytest.approx(0.0890871)


def test_rows_of_equal_shares_have_no_association():
    assert cramers_v([[10, 30], [20, 60], [5, 15]]) == pytest.approx(0)


def test_a_label_for_each_source_is_association_1():
    assert cramers_v([[7, 0, 0], [0, 90, 0], [0, 0, 3]]) == pytest.approx(1)


def test_rows_and_columns_do_not_matter_in_order_or_direction():
    table = [[3, 9, 1], [4, 4, 8]]
    turned = [[8, 4, 4], [1, 9, 3]]
    upright = [[3, 4], [9, 4], [1, 8]]
    assert cramers_v(turned) == pytest.approx(cramers_v(table))
    assert cramers_v(upright) == pytest.approx(cramers_v(table))


def test_empty_rows_and_columns_count_for_nothing():
    assert cramers_v([[10, 20, 0], [30, 40, 0], [0, 0, 0]]) == pytest.approx(0.0890871)


@pytest.mark.parametrize("table", [[[5, 6]], [[5], [6]], [[5, 6], [0, 0]]])
def test_one_row_or_column_has_no_association_at_all(table):
    assert cramers_v(table) is None
