"""How a network learned: in words for who cannot see it, in its places for who can."""

import re
import xml.etree.ElementTree as ET

from spark_cxr.images.raster import encode_png
from spark_cxr.metrics.results import EpochPoint, LearningSummary
from spark_cxr.report.training import draw_accuracy, draw_loss, how_it_learned

EPOCHS = (
    EpochPoint(1, "head", 0.001, 1.0, 0.5, 0.9, 0.6, 100.0),
    EpochPoint(2, "all", 0.0003, 0.6, 0.75, 0.5, 0.875, 50.0),
    EpochPoint(3, "all", 0.0001, 0.3, 0.9, 0.7, 0.8, 1050.0),
)


def texts(svg):
    return [each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def described(svg):
    return re.search(r"<desc[^>]*>(.*?)</desc>", svg)[1].replace("\u202f", " ")


def test_loss_is_also_said_in_words():
    assert described(draw_loss(EPOCHS, 2)) == (
        "epoch 1: training 1.000, validation 0.900; epoch 2: training 0.600, validation 0.500; "
        "epoch 3: training 0.300, validation 0.700"
    )


def test_accuracy_is_in_percent():
    svg = draw_accuracy(EPOCHS, 2)
    assert described(svg).startswith("epoch 1: training 50.0 %, validation 60.0 %")
    assert {"60", "90", "Accuracy, %"} <= set(texts(svg))


def test_key_and_best_epoch_are_named():
    wanted = {"Training", "Validation", "Epoch; the line marks the best, 2"}
    assert wanted <= set(texts(draw_loss(EPOCHS, 2)))


def test_a_dozen_epochs_are_named_at_most():
    many = tuple(EpochPoint(n, "all", 0.1, 1.0, 0.5, 1.0, 0.5, 1.0) for n in range(1, 101))
    named = [text for text in texts(draw_loss(many, 7)) if text.isdigit()]
    assert named[:3] == ["1", "10", "19"]
    assert len(named) == 12


def test_one_epoch_can_be_drawn():
    assert described(draw_loss(EPOCHS[:1], 1)) == "epoch 1: training 1.000, validation 0.900"


def test_page_says_which_epoch_was_kept_and_how_good_it_was():
    page = how_it_learned(LearningSummary(EPOCHS, 2, 40), "x")
    assert "87.5\u202f% of 40 validation films were classified correctly after epoch 2" in page
    assert re.findall(r'<th scope="row">([^<]*)</th>', page) == ["1", "2 (kept)", "3"]


def test_sheet_is_shown_where_there_is_one():
    import numpy as np

    sheet = encode_png(np.zeros((4, 4), np.uint8))
    assert "What the network saw" in how_it_learned(LearningSummary(EPOCHS, 2, 40, sheet), "x")
    assert "What the network saw" not in how_it_learned(LearningSummary(EPOCHS, 2, 40), "x")


def test_nothing_is_said_of_a_network_that_did_not_learn():
    assert how_it_learned(None, "x") == ""
