"""The contact sheet, and the panels of a training's report."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from spark_cxr.metrics.results import ClassPanels, ContactSheet, Panel, Shelf
from spark_cxr.report.contact import contact_page, training_panels


def jpeg():
    out = io.BytesIO()
    Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(out, "JPEG")
    return out.getvalue()


def panel(path="film.png", true="Normal", image=None):
    return Panel(path, true, "Pneumonia", 0.913, "Normal", 0.05, 2.514, image or jpeg())


def sheet(*panels, caveat=""):
    shelves = (Shelf("Most certain", panels), Shelf("Wrong, most certain first", ()))
    classes = (ClassPanels("Pneumonia", 12, shelves),)
    return ContactSheet("lr-01", "ResNet50", "cam: exact", 50.0, classes, caveat)


def test_panel_says_what_was_decided_and_what_is_true():
    page = contact_page(sheet(panel()))
    assert "<b>Pneumonia 91.3\u202f%</b>, rather than Normal 5.0\u202f%; labelled Normal" in page
    assert "<code>film.png</code>" in page
    words = "film, and the film with heat: labelled Normal, Pneumonia rather than Normal"
    assert f'alt="{words}"' in page


def test_truth_that_is_not_known_is_not_told():
    page = contact_page(sheet(panel(true="")))
    assert "labelled" not in page


def test_empty_shelf_is_left_out():
    assert "Wrong, most certain first" not in contact_page(sheet(panel()))


def test_class_says_how_many_films_it_has():
    assert "<h2>Pneumonia, 12 films</h2>" in contact_page(sheet(panel()))


def test_page_says_how_the_heat_was_made_and_what_it_is_not():
    page = contact_page(sheet(panel(), caveat="RANDOM WEIGHTS"))
    assert "50 for the class, -50 against it" in page
    assert "or that the decision is right" in page
    assert page.count("Research use only. Not for diagnosis.") == 2
    assert "<li>RANDOM WEIGHTS.</li>" in page


def test_film_that_could_not_be_drawn_keeps_its_words():
    empty = Panel("gone.png", "", "Pneumonia", 0.9, "Normal", 0.1, 1.0, b"")
    page = contact_page(sheet(empty))
    assert "<img" not in page
    assert "gone.png" in page


def test_names_are_escaped():
    assert "&lt;b&gt;.png" in contact_page(sheet(panel(path="<b>.png")))


def test_report_of_a_training_has_panels_only_where_there_are_films():
    shelves = (Shelf("Most certain", (panel(),)),)
    told = training_panels((ClassPanels("Pneumonia", 3, shelves),), "cam, exact")
    assert "<h3>Pneumonia</h3><h4>Most certain</h4>" in told
    assert "cam, exact. Heat shows" in told
    assert training_panels((), "") == ""
    assert training_panels((ClassPanels("Pneumonia", 3, (Shelf("x", ()),)),), "cam") == ""


def test_a_finding_is_held_against_its_operating_point():
    known = replace(panel(true="Mass|Effusion"), contrast="no Pneumonia", threshold=0.2)
    page = contact_page(replace(sheet(known), is_of_findings=True))
    words = "<b>Pneumonia 91.3\u202f%</b>, above its operating point of 20.0\u202f%"
    assert f"{words}; labelled Mass, Effusion; margin" in page
    assert "labelled Mass, Effusion, Pneumonia rather than no Pneumonia" in page
    assert "blue is evidence against it" in page
    assert "50 for the finding, -50 against it" in page
    low = contact_page(sheet(replace(known, probability=0.1)))
    assert "<b>Pneumonia 10.0\u202f%</b>, below its operating point of 20.0\u202f%" in low


def test_panels_of_findings_say_how_they_are_read():
    shelves = (Shelf("Most certain", (panel(),)),)
    found = training_panels((ClassPanels("Mass", 3, shelves),), "cam, exact", is_of_findings=True)
    assert "evidence for the finding of the heading" in found
