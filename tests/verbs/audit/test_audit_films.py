import pytest
from film_tables import film, films

from spark_cxr.verbs.audit.films import LEAST_GROUPS, choose_films, usable_labels
from spark_cxr.verbs.audit.probes import METADATA, way, with_metadata


def many(label, count, patient=None):
    return [film(f"{label}{i}", label, patient=patient) for i in range(count)]


@pytest.fixture(scope="module")
def images(spark):
    return films(spark, *many("ill", 12), *many("well", 30), *many("rare", 20, patient="P"))


def names(rows):
    return sorted(row.path for row in rows.collect())


def test_a_label_of_too_few_patients_is_left_out(images):
    assert LEAST_GROUPS <= 12
    assert usable_labels(images) == (("ill", "well"), ("rare",))


def test_no_more_films_of_a_label_are_chosen_than_asked_for(images):
    chosen = names(choose_films(images, ("ill", "well"), 15, seed=0))
    assert len([name for name in chosen if name.startswith("well")]) == 15
    assert len([name for name in chosen if name.startswith("ill")]) == 12


def test_the_choice_depends_on_neither_order_nor_partitions(images):
    turned = images.orderBy("path", ascending=False).repartition(7)
    first, second = (choose_films(rows, ("well",), 9, seed=4) for rows in (images, turned))
    assert names(first) == names(second)


def test_another_seed_chooses_other_films(images):
    one, other = (choose_films(images, ("well",), 9, seed) for seed in (1, 2))
    assert names(one) != names(other)


def test_no_limit_means_all_films_of_the_labels(images):
    assert len(names(choose_films(images, ("ill", "well"), 0, seed=0))) == 42


def test_metadata_tells_files_of_other_size_format_and_colour_apart(spark):
    ddl = "width int, height int, bytes bigint, bits int, format string, is_colour boolean"
    told = [
        *((64, 64, 900, 8, "png", False), (64, 64, 900, 8, "jpeg", False)),
        *((64, 32, 900, 8, "png", False), (64, 64, 900, 8, "png", True)),
        *((64, 64, 901, 8, "png", False), (64, 64, 900, 12, "png", False)),
    ]
    rows = with_metadata(spark.createDataFrame(told, ddl)).collect()
    vectors = {tuple(row[METADATA]) for row in rows}
    assert len(vectors) == len(told)
    assert len({len(vector) for vector in vectors}) == 1


def test_the_way_is_measured_from_chance_to_the_real_result():
    assert way(0.7, 0.5, 0.9) == pytest.approx(0.5)
    assert way(0.5, 0.5, 0.9) == 0
    assert way(0.95, 0.5, 0.9) > 1
