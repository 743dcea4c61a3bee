"""Files of boxes as publishers write them, and as anyone may."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.film import Box
from spark_cxr.model.predictor import Prediction
from spark_cxr.pipeline.box_heat import FilmBoxes, boxed_findings, film_boxes, read_findings
from spark_cxr.pipeline.boxes import BoxFile, read_boxes

OWN = "file,finding,x,y,width,height\n"


def written(tmp_path: Path, text: str, size: int = 0) -> BoxFile:
    file = tmp_path / "boxes.csv"
    file.write_text(text)
    return read_boxes(str(file), size)


def test_nih_boxes_are_of_films_of_1024_pixels(tmp_path: Path) -> None:
    header = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
    found = written(tmp_path, f"{header}00013118_008.png,Atelectasis,256,512,128,64,,,\n")
    (box,) = found.of("file:/data/00013118_008.jpg") or found.of("file:/data/00013118_008.png")
    assert box.finding == "Atelectasis"
    assert box.on((448, 448)) == Box(0.5, 0.5625, 0.25, 0.375)


def test_rsna_boxes_are_rows_with_a_target(tmp_path: Path) -> None:
    rows = "a1,,,,,0\na2,256,512,128,64,1\na2,512,512,128,64,1\n"
    found = written(tmp_path, f"patientId,x,y,width,height,Target\n{rows}")
    assert found.of("file:/d/a1.dcm") == ()
    assert [box.on((10, 10)).left for box in found.of("file:/d/a2.dcm")] == [0.25, 0.5]
    assert found.named_as(["Pneumonia", "Normal"], ()).of("a2.dcm")[0].finding == "Pneumonia"
    assert found.named_as(["Lung Opacity"], ()).of("a2.dcm")[0].finding == "Lung Opacity"


def test_vindr_boxes_are_corners_of_several_readers(tmp_path: Path) -> None:
    header = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max,width,height\n"
    rows = "f,No finding,14,R1,,,,,,\nf,Aortic enlargement,0,R2,100,200,300,500,1000,2000\n"
    (box,) = written(tmp_path, header + rows).of("/v/f.dicom")
    assert box.on((64, 64)) == Box(0.1, 0.25, 0.1, 0.3)


def test_boxes_of_ones_own_are_in_the_pixels_of_the_film(tmp_path: Path) -> None:
    (box,) = written(tmp_path, f"{OWN}a.png,Mass,10,20,30,40\n").of("s3://b/films/a.png")
    assert box.on((200, 100)) == Box(0.1, 0.3, 0.1, 0.4)


def test_sizes_of_images_and_the_size_that_is_given(tmp_path: Path) -> None:
    text = "path,label,x,y,w,h,image_width,image_height\na.png,Mass,10,20,30,40,200,400\n"
    assert written(tmp_path, text).of("a.png")[0].on((9, 9)) == Box(0.05, 0.15, 0.05, 0.2)
    assert written(tmp_path, text, 100).of("a.png")[0].on((9, 9)) == Box(0.2, 0.6, 0.1, 0.4)


def test_a_box_beyond_the_film_is_none(tmp_path: Path) -> None:
    (box,) = written(tmp_path, f"{OWN}a.png,Mass,500,500,200,200\n").of("a.png")
    assert box.on((448, 448)) is None
    assert box.on((690, 690)) is not None


def test_more_of_a_path_counts_before_less(tmp_path: Path) -> None:
    rows = "p1/a.png,Mass,1,1,1,1\np2/a.png,Nodule,1,1,1,1\na,Effusion,1,1,1,1\n"
    found = written(tmp_path, OWN + rows)
    named = [found.of(f"file:/x/{path}")[0].finding for path in ("p1/a.png", "p2/a.png", "a.dcm")]
    assert named == ["Mass", "Nodule", "Effusion"]
    assert found.of("file:/x/b.png") == ()


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "boxes.csv.gz"
    file.write_bytes(gzip.compress(f"{OWN}a.png,Mass,1,1,1,1\n".encode()))
    assert read_boxes(str(file)).count == 1


def test_findings_get_the_names_of_the_models_labels(tmp_path: Path) -> None:
    rows = "a,Infiltrate,1,1,1,1\nb,PLEURAL effusion,1,1,1,1\nc,Tumour,1,1,1,1\nd,Rash,1,1,1,1\n"
    labels = ["Infiltration", "Pleural_Effusion", "Mass"]
    found = written(tmp_path, OWN + rows).named_as(labels, ["Mass=Growth+Tumour"])
    assert [found.of(name)[0].finding for name in "abc"] == labels
    assert (found.of("d"), found.count) == ((), 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,finding,x,y\na,Mass,1,1\n", "columns x, y, width, height, or x_min"),
        ("film,finding,x,y,w,h\na,Mass,1,1,1,1\n", "a column that names the film"),
        ("file,what,x,y,w,h\na,Mass,1,1,1,1\n", "a column with the finding"),
        (f"{OWN}a,Mass,1,one,1,1\n", "a number for each side of a box. Received: .*line 2"),
        (f"{OWN}a,Mass,1,,1,1\n", "a number for each side of a box. Received: .*line 2"),
        (f"{OWN}a,Mass,1,1,0,1\n", "a box with width and height. Received: .*line 2"),
        (f"{OWN}a,Mass,,,,\n", "a file with boxes"),
    ],
)
def test_a_file_that_is_none_of_boxes_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Check --boxes"):
        read_boxes(str(tmp_path / "none.csv"))


def test_boxes_of_no_label_of_the_model_are_refused(tmp_path: Path) -> None:
    found = written(tmp_path, f"{OWN}a,Mass,1,1,1,1\n")
    with pytest.raises(InputError, match=r"boxes of Mass.*--box-findings LABEL=NAME"):
        found.named_as(["Effusion"], ())
    with pytest.raises(ConfigError, match="Did you mean Effusion"):
        found.named_as(["Effusion"], ["Efusion=Mass"])


def test_the_real_boxes_of_nih(shared_data: Path) -> None:
    found = read_boxes(str(shared_data.parent / "labels" / "BBox_List_2017.csv.gz"))
    assert (found.count, len(found.boxes)) == (984, 880)
    assert all(box.on((448, 448)) for boxes in found.boxes.values() for box in boxes)
    (box,) = found.named_as(["Atelectasis"], ()).of("file:/d/00013118_008.jpg")
    assert box.on((1024, 1024)).left == pytest.approx(0.2198, abs=1e-4)


def test_the_real_boxes_of_vindr(shared_data: Path) -> None:
    found = read_boxes(str(shared_data.parent / "labels" / "vinbigdata-train.csv.gz"))
    assert found.count == 36_096


# What is said of a film


def findings_of(found: BoxFile, prediction: Prediction) -> FilmBoxes:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 1, 1], maps[1, 2, 3] = 1.0, 1.0
    labels = ("Mass", "Nodule")
    text = film_boxes(found.of("f/a.png"), maps, labels, prediction, (80, 80), None)
    return FilmBoxes("f/a.png", read_findings(text or "[]"))


ROWS = "patient_id,file,finding,x,y,width,height\n"


def test_each_finding_of_a_film_has_the_heat_of_its_own_map(tmp_path: Path) -> None:
    rows = "p7,a.png,Mass,20,20,20,20\np7,a.png,Nodule,0,0,20,20\np7,a.png,Nodule,60,40,20,20\n"
    film = findings_of(written(tmp_path, ROWS + rows), Prediction(label="Effusion|Nodule"))
    mass, nodule = film.findings
    assert (mass.finding, mass.boxes, mass.named, mass.heat.hit) == ("Mass", 1, False, True)
    assert (nodule.finding, nodule.boxes, nodule.named, nodule.heat.hit) == (
        "Nodule",
        2,
        True,
        True,
    )
    assert mass.heat.area == pytest.approx(1 / 16)


def test_films_belong_to_the_patient_of_the_file_or_of_their_name(tmp_path: Path) -> None:
    found = written(tmp_path, f"{ROWS}p7,a.png,Mass,20,20,20,20\n")
    film = findings_of(found, Prediction(label="Mass"))
    assert [each.group for each in boxed_findings([film], found, "(a)")] == ["p7"]
    nameless = BoxFile({})
    assert [each.group for each in boxed_findings([film], nameless, r"(\w)\.png")] == ["a"]
    assert [each.group for each in boxed_findings([film], nameless, "")] == ["f/a.png"]


def test_boxes_beyond_their_films_are_refused(tmp_path: Path) -> None:
    found = written(tmp_path, f"{OWN}a.png,Mass,500,500,20,20\n")
    film = findings_of(found, Prediction(label="Mass"))
    with pytest.raises(InputError, match=r"1 film with a box beyond its rim .*--boxes-size"):
        boxed_findings([film], found, "")
