"""What an evaluation says of the films that it left out."""

import pytest

from spark_cxr.metrics.evaluation_results import EvaluationCounts
from spark_cxr.metrics.evaluation_wording import left_out


@pytest.mark.parametrize(
    ("exact", "near", "said"),
    [
        (0, 0, ""),
        (None, None, ""),
        (3, 0, "3 films were left out: the model was trained on them."),
        (0, 856, "856 films were left out: the model was trained on near-duplicates of them."),
        (
            2,
            1,
            "3 films were left out: the model was trained on 2 of them and on near-duplicates "
            "of 1.",
        ),
    ],
)
def test_films_that_the_model_knows_are_told_apart_from_their_twins(exact, near, said):
    counts = EvaluationCounts(measured=9, refused=0, unreadable=0, exact=exact, near=near)
    assert left_out(counts) == said
