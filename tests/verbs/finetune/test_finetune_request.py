"""What a fine-tuning refuses, before it has read anything."""

from dataclasses import replace

import pytest

from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError
from spark_cxr.training.recipe import Augment
from spark_cxr.verbs.finetune.request import recipe_of, start_of, with_weights
from tests.training.training_tasks import save_body


def refusal(**changes):
    with pytest.raises(ConfigError) as caught:
        recipe_of(defaults(**changes))
    return str(caught.value)


def test_linear_head_has_no_hidden_layers():
    assert recipe_of(defaults()).head == ()


def test_units_of_a_dense_head_are_read():
    assert recipe_of(defaults(finetune={"head": "512,256,64"})).head == (512, 256, 64)


@pytest.mark.parametrize("head", ["linear,64", "64,linear", "6.4", "64,0", "99999999"])
def test_other_heads_are_refused(head):
    assert refusal(finetune={"head": head}) == (
        f"Expected --head linear, or numbers of units with commas between. Received: {head}. "
        "Say --head 512,256,64."
    )


def test_strength_of_the_augmentation_counts_for_all_of_it_but_mirroring():
    plain = recipe_of(defaults()).augment
    half = recipe_of(defaults(finetune={"augment": 0.5, "mirror_films": True})).augment
    assert half.rotation == pytest.approx(plain.rotation / 2)
    assert (plain.mirror, half.mirror) == (False, True)


def test_single_ranges_take_the_place_of_what_the_strength_makes():
    given = {"augment": 0.5, "augment_ranges": ["zoom=0.07", "rotation=0"]}
    found, half = recipe_of(defaults(finetune=given)).augment, Augment().times(0.5)
    assert found == replace(half, zoom=0.07, rotation=0.0)


@pytest.mark.parametrize(
    ("word", "refused"),
    [
        ("zom=0.1", "Expected a range that augmentation has. Received: --augment-ranges zom=0.1. "),
        ("mirror=1", "Expected a range that augmentation has. "),
        ("0.1", "Expected a range that augmentation has. "),
        ("zoom", "Expected zoom as a number from 0 to 1. Received: --augment-ranges zoom. "),
        ("zoom=nan", "Expected zoom as a number from 0 to 1. "),
        ("rotation=181", "Expected rotation as a number from 0 to 180. "),
        ("noise=-0.1", "Expected noise as a number from 0 to 1. "),
    ],
)
def test_ranges_that_there_are_not_are_refused(word, refused):
    assert refusal(finetune={"augment_ranges": [word]}).startswith(refused)


def test_findings_have_no_rare_class_to_augment_more():
    received = refusal(finetune={"augment_rare": 2.0}, ingest={"findings": ["all"]})
    assert "--augment-rare with --findings" in received


def test_no_epoch_at_all_is_refused():
    assert refusal(finetune={"warm_epochs": 0, "epochs": 0, "calm_epochs": 0}) == (
        "Expected at least one epoch. Received: --warm-epochs 0 --epochs 0. Raise one of them."
    )


def test_batch_that_workers_cannot_share_is_refused():
    assert refusal(finetune={"train_batch_size": 32, "workers": 3}) == (
        "Expected a --train-batch-size that --workers can share. "
        "Received: --train-batch-size 32 --workers 3. Take a multiple of it."
    )


@pytest.mark.parametrize(
    ("given", "flag", "way_out"),
    [
        ({"features": "R"}, "--features", "Name the films: --images DIR or --table DIR"),
        ({"tune": True}, "--tune", "It is for heads on frozen features: jobs/train.py"),
        ({"balance": True}, "--balance", "Say --balance-by weights, or sampling"),
    ],
)
def test_flags_of_heads_on_frozen_features_are_refused(given, flag, way_out):
    assert refusal(train=given) == (
        f"Expected a fine-tuning without this flag. Received: {flag}. {way_out}."
    )


def test_never_beside_a_table_is_refused():
    received = refusal(features={"table": "T"}, finetune={"never": ["N"]})
    assert received.startswith("Expected --images beside --never. Received: --table T. ")


def test_fake_network_is_refused_because_it_has_nothing_to_learn_with():
    with pytest.raises(ConfigError) as caught:
        start_of(defaults(features={"backbone": "fake"}))
    assert str(caught.value).startswith(
        "Expected a network that can learn. Received: fake. Take --backbone FILE.keras, or one of "
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    file = tmp_path_factory.mktemp("network") / "small.keras"
    save_body(file)
    return file


def test_layer_that_the_network_does_not_have_is_refused(small):
    asked = {"backbone": str(small), "normalising": "tf"}
    with pytest.raises(ConfigError, match=r"Received: blok2.*Did you mean block2_conv\?"):
        start_of(defaults(features=asked, finetune={"layers": "blok2"}))


def test_layer_that_it_has_is_taken(small):
    asked = {"backbone": str(small), "normalising": "tf"}
    start = start_of(defaults(features=asked, finetune={"layers": "block2"}))
    assert start.backbone.name == "small"


def test_network_of_the_catalog_gets_its_weights_and_an_own_file_is_taken_itself(small):
    named = defaults(features={"backbone": "MobileNetV2", "weights": "random:0"})
    own = defaults(features={"backbone": str(small), "normalising": "tf"})
    asked = [with_weights(cfg, small.with_name("w.keras")).features for cfg in (named, own)]
    assert [each.backbone for each in asked] == ["MobileNetV2", str(small.with_name("w.keras"))]
    assert [each.weights for each in asked] == [str(small.with_name("w.keras")), ""]
