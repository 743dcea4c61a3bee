import csv
from pathlib import Path

import pytest

from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError
from spark_cxr.output import Output
from spark_cxr.phantoms import SHARES
from spark_cxr.pipeline.phantom_films import BOXES, phantoms_step, read_shares, with_phantoms

SMALL = {"count": 6, "size": 64, "formats": ("jpeg",)}


def test_findings_lie_in_one_folder_with_a_manifest_and_boxes(tmp_path: Path) -> None:
    cfg = defaults(phantoms={**SMALL, "several_findings": ("all", "Effusion=1")})
    counts = phantoms_step(cfg.phantoms, 0, Output(str(tmp_path)))
    assert {path.name for path in tmp_path.iterdir()} == {"films", "manifest.csv", BOXES}
    assert counts["Effusion"] == 6
    rows = list(csv.DictReader((tmp_path / BOXES).read_text().splitlines()))
    assert {row["path"] for row in rows if row["finding"] == "Effusion"} == {
        f"films/{path.name}" for path in (tmp_path / "films").iterdir()
    }


def test_one_label_a_film_has_no_boxes(tmp_path: Path) -> None:
    phantoms_step(defaults(phantoms=SMALL).phantoms, 0, Output(str(tmp_path)))
    assert not (tmp_path / BOXES).exists()


@pytest.mark.parametrize(
    ("words", "shares"),
    [
        ((), {}),
        (("all",), SHARES),
        (("all", "Nodule=0.5"), {**SHARES, "Nodule": 0.5}),
        (("Nodule", "Effusion=0.25"), {"Nodule": SHARES["Nodule"], "Effusion": 0.25}),
    ],
)
def test_findings_to_draw_are_named_with_their_share(
    words: tuple[str, ...], shares: dict[str, float]
) -> None:
    assert dict(read_shares(words)) == shares


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("Efusion", "Did you mean Effusion?"),
        ("Nodule=some", "Write it like Nodule=0.2"),
    ],
)
def test_a_finding_that_cannot_be_drawn_is_refused(word: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        read_shares((word,))


def test_a_run_of_findings_without_films_draws_films_of_findings(tmp_path: Path) -> None:
    cfg = defaults(phantoms=SMALL, ingest={"findings": ("all",)})
    drawn = with_phantoms(cfg, Output(str(tmp_path)))
    assert drawn.ingest.labels == f"{tmp_path}/phantoms/manifest.csv"
    assert (tmp_path / "phantoms" / BOXES).exists()


def test_films_of_findings_in_a_run_of_one_label_are_refused(tmp_path: Path) -> None:
    cfg = defaults(phantoms={**SMALL, "several_findings": ("all",)})
    with pytest.raises(ConfigError, match="--findings beside --several-findings"):
        with_phantoms(cfg, Output(str(tmp_path)))


def test_unknown_cells_without_findings_are_refused(tmp_path: Path) -> None:
    cfg = defaults(phantoms={**SMALL, "unknown": 0.1})
    with pytest.raises(ConfigError, match="Add --several-findings"):
        phantoms_step(cfg.phantoms, 0, Output(str(tmp_path)))
