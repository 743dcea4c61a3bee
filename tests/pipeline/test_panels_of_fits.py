import io

import numpy as np
import pytest
from PIL import Image

from spark_cxr.images.film import DEFAULT_LIMITS
from spark_cxr.images.fit import Fit
from spark_cxr.pipeline.pictures import _drawn


@pytest.mark.parametrize(("fit", "first", "last"), [("crop", 32, 96), ("squash", 0, 128)])
def test_heat_of_a_panel_lies_on_what_the_network_has_seen(tmp_path, fit, first, last):
    path = tmp_path / "wide.png"
    Image.fromarray(np.full((64, 128), 128, np.uint8)).save(path)
    row = {
        "path": str(path),
        "map": [1.0] * 4,
        "map_height": 2,
        "map_width": 2,
        "map_first": None,
        "map_box": None,
        "map_step": None,
    }
    both = Image.open(io.BytesIO(_drawn(row, 1.0, DEFAULT_LIMITS, Fit((32, 32), fit))))
    heated = np.asarray(both.convert("RGB"), np.int16)[32, 128:]
    coloured = np.flatnonzero(abs(heated[:, 0] - heated[:, 2]) > 40)
    assert abs(coloured.min() - first) <= 3
    assert abs(coloured.max() - (last - 1)) <= 3
