"""Why a model decides as it does: the API of the page, without Spark."""

import io
from dataclasses import replace

import numpy as np
import pytest
from model_by_hand import LABELS
from PIL import Image

from spark_cxr import load_model
from spark_cxr.errors import BadImage, ConfigError, InputError
from spark_cxr.phantoms import phantoms


@pytest.fixture(scope="module")
def film():
    return next(iter(phantoms(1, seed=4, size=160, formats=("png",)))).data


@pytest.fixture
def model(directory):
    return load_model(directory.address)


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_mean_of_the_map_and_intercept_are_the_margin(model, head, film):
    for found in model.explain_labels(film):
        one, other = LABELS.index(found.label), LABELS.index(found.contrast)
        intercept = head.bias[one] - head.bias[other]
        assert found.map.mean() + intercept == pytest.approx(found.margin, abs=1e-4)


def test_margin_is_what_the_probabilities_say(model, film):
    for found in model.explain_labels(film):
        ratio = np.log(found.probability / found.contrast_probability)
        assert found.margin == pytest.approx(ratio, abs=1e-9)


def test_prediction_is_the_one_that_predict_gives(model, film):
    assert model.explain(film).prediction == model.predict(film)[0]


def test_label_is_held_against_the_likeliest_other(model, film):
    order = sorted(LABELS, key=lambda label: -model.predict(film)[0].probabilities[label])
    found = [model.explain(film, label=label) for label in order]
    assert [each.contrast for each in found] == [order[1], order[0], order[0]]
    assert model.explain(film).label == order[0]
    np.testing.assert_allclose(found[0].map, -found[1].map, atol=1e-5)


def test_a_picture_that_is_no_xray_is_explained_for_a_named_label_only(model):
    photo = np.zeros((96, 96, 3), np.uint8)
    photo[..., 0] = 220
    with pytest.raises(InputError, match=r"names a class.*not_an_xray.*Name a label"):
        model.explain(photo)
    found = model.explain(photo, label="Pneumonia")
    assert (found.label, found.probability, found.contrast_probability) == ("Pneumonia", None, None)
    assert "the model names no class here" in found.words().lines[0]


def test_all_labels_cost_one_pass(model, film, monkeypatch):
    from spark_cxr.backbones.engines.fake import FakeEngine

    passes, real = [], FakeEngine.maps
    monkeypatch.setattr(
        FakeEngine, "maps", lambda self, films: passes.append(len(films)) or real(self, films)
    )
    assert [each.label for each in model.explain_labels(film)] == list(LABELS)
    assert passes == [1]


def test_pixels_are_explained_like_their_file(model, film):
    from_file, from_pixels = model.explain(film), model.explain(opened(film))
    np.testing.assert_array_equal(from_file.map, from_pixels.map)


def test_heat_is_as_large_as_the_film(model, film):
    found = model.explain(film)
    assert found.heat.shape == opened(film).shape[:2]
    assert opened(found.heat_png()).shape == (*opened(film).shape[:2], 4)
    np.testing.assert_array_equal(opened(found.film_png()), opened(film))


def test_layers_are_bounded_by_their_longest_side(model, film):
    found = model.explain(film)
    assert max(opened(found.heat_png(longest=80)).shape[:2]) == 80
    assert opened(found.film_png(longest=80)).shape == opened(found.heat_png(longest=80)).shape[:2]


def test_overlay_shows_the_film_where_there_is_no_heat(model, film):
    found = replace(model.explain(film), lungs=None)
    grey = opened(film)
    overlay = opened(found.overlay_png(scale=1e9))
    np.testing.assert_array_equal(
        overlay[: grey.shape[0], : grey.shape[1]], np.repeat(grey[..., None], 3, axis=2)
    )


def test_lungs_are_outlined_and_their_heat_is_named(model, film):
    found = model.explain(film)
    bare = replace(found, lungs=None)
    height, width = opened(film).shape[:2]
    drawn, plain = (opened(each.overlay_png())[:height, :width] for each in (found, bare))
    rim = (drawn != plain).any(axis=2)
    mask = found.lungs.mask((height, width))
    assert rim.any()
    assert not rim[~mask].any()
    assert rim.sum() < 0.4 * mask.sum()
    assert found.on_lungs.area == pytest.approx(mask.mean(), abs=0.02)
    assert f"{found.on_lungs.share:.0%} of the heat on the lungs" in found.words().lines[1]
    assert bare.on_lungs is None
    assert "lungs" not in bare.words().lines[1]


def test_warm_is_for_the_label_and_cold_against_it(model, film):
    found = replace(model.explain(film), lungs=None)
    layer, heat = opened(found.heat_png()).astype(int), found.heat
    strong = abs(heat) > 0.3 * abs(heat).max()
    warmer = layer[..., 0] > layer[..., 2]
    np.testing.assert_array_equal(warmer[strong], (heat > 0)[strong])


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "occlusion", "rise"])
def test_method_that_is_asked_for_is_used(model, film, method):
    assert model.explain(film, method=method).method == method


def test_grad_cam_is_the_exact_map_up_to_scale(model, film):
    exact, gradient = model.explain(film, method="cam"), model.explain(film, method="gradcam")
    np.testing.assert_allclose(gradient.map * exact.map.size, exact.map, rtol=1e-3, atol=1e-4)


def test_bad_image_says_why(model):
    with pytest.raises(BadImage) as caught:
        model.explain(b"GIF89a")
    assert caught.value.reason == "not_an_image"


def test_unknown_label_is_refused(model, film):
    with pytest.raises(ConfigError, match=r"Received: pneumonia. Did you mean Pneumonia\?"):
        model.explain(film, label="pneumonia")


def test_unknown_method_is_refused(model, film):
    with pytest.raises(ConfigError, match=r"Received: gradcm. Did you mean gradcam\?"):
        model.explain(film, method="gradcm")


def test_pixels_of_another_kind_are_refused(model):
    with pytest.raises(InputError, match=r"shape \(64, 64\) and float64. Scale it to 0 to 255"):
        model.explain(np.zeros((64, 64)))
