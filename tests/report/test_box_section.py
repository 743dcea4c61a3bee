"""Heat against boxes on a page and on a console."""

from spark_cxr.metrics.boxes import BoxedFinding, BoxReport, measure_boxes
from spark_cxr.metrics.results import ContactSheet
from spark_cxr.report.boxes import box_lines, box_section
from spark_cxr.report.contact import contact_page


def report(*names: str) -> BoxReport:
    found = [
        BoxedFinding(
            name, f"p{n // 2}", 2, n % 2 == 0, n % 3 == 0, inside=1 / 3, area=0.1, overlap=0.25
        )
        for name in names
        for n in range(12)
    ]
    return measure_boxes(found, "cam", 0.5, seed=1)


def test_a_row_has_every_figure_with_its_interval_and_chance() -> None:
    page = box_section(report("Mass"))
    for words in ("12<small>boxes 24, patients 6", "33.3\u202f%<small>", "10.0\u202f%"):
        assert words in page
    assert "33.3\u202f% of 6 that the model names" in page
    assert '<td class="number">3.333</td>' in page
    assert "All findings" not in page


def test_several_findings_have_a_row_for_all_of_them() -> None:
    assert "All findings" in box_section(report("Mass", "Nodule"))


def test_a_finding_is_written_as_text() -> None:
    assert "<b>x" not in box_section(report("<b>x"))


def test_lines_of_a_console_stand_below_each_other() -> None:
    first, *rows = box_lines(report("Mass", "Pneumothorax"))
    assert first == "heat against boxes, 95% intervals:"
    assert len({row.index(" films:") for row in rows}) == 1
    assert "by chance 10.0%" in rows[0]


def test_a_sheet_without_boxes_says_nothing_of_them() -> None:
    sheet = ContactSheet("lr-01", "fake", "cam", 1.0, ())
    assert "boxes" not in contact_page(sheet)
    assert "Heat against readers" in contact_page(sheet, report("Mass"))
