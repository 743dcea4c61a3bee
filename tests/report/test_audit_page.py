import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from spark_cxr.metrics.checks import (
    STATUSES,
    Check,
    CheckTable,
    Pair,
    Side,
    count_statuses,
    status_of,
)
from spark_cxr.metrics.results import RunSummary
from spark_cxr.phantoms import phantoms
from spark_cxr.report.audit import AuditReport, audit_page, verdict

RUN = RunSummary(("spark-submit jobs/audit.py --images X",), (), (("Spark", "4"),), 61.0)
NUMBERS = (
    *(("accuracy", 0.88), ("real_accuracy", 0.92), ("real_low", 0.9), ("real_high", 0.94)),
    *(("majority", 0.4), ("way", 0.9)),
)


def check(status, name="border_only", **more):
    return Check(name, f"Question of {name}", status, f"Sentence of {name}.", **more)


def report(*checks):
    data, method = (("Films", "3"),), (("Head", "lr"),)
    return AuditReport("drawn films", tuple(checks), data, method, RUN)


def jpeg():
    return next(iter(phantoms(1, 3, 64, ("jpeg",)))).data


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.words, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def read(page):
    words = Words()
    words.feed(page)
    return words


def test_the_verdict_counts_fails_and_warnings():
    found = [check("fail"), check("fail"), check("warn"), check("pass"), check("not_applicable")]
    assert verdict(found) == (
        "Do not trust a good figure on these films as they are: 2 of 4 checks fail, and there is "
        "1 warning."
    )


def test_the_verdict_without_fails_asks_for_care():
    assert verdict([check("warn"), check("pass")]) == (
        "Read figures on these films with care: none of 2 checks fails, and there is 1 warning."
    )


def test_the_verdict_without_faults_promises_nothing():
    assert "does not prove" in verdict([check("pass"), check("pass")])


def test_every_check_stands_in_the_overview_with_its_answer_in_words():
    checks = [check(status, f"q{i}") for i, status in enumerate(STATUSES)]
    said = "|".join(read(audit_page(report(*checks))).words).replace("\u202f", " ")
    for i, word in enumerate(("✕ fails", "! warning", "✓ passes", "– not applicable")):
        assert f"Question of q{i}|{word}" in said


def test_the_verdict_comes_before_all_checks():
    page = audit_page(report(check("fail")))
    assert page.index("Do not trust") < page.index("Question of") < page.index("All checks")


@pytest.mark.parametrize("status", STATUSES)
def test_the_sentence_of_a_check_is_told_once(status):
    said = read(
        audit_page(report(check(status, grid=CheckTable("Table", ("A",), (("b",),)))))
    ).words
    assert sum("Sentence of border_only." in word for word in said) == 1


def test_the_real_result_is_drawn_beside_what_shortcuts_reach():
    page = audit_page(report(check("fail", numbers=NUMBERS)))
    assert "<svg" in page
    assert "Your classifier 92.0\u202f%; Question of border_only 88.0\u202f%" in page


def test_without_results_nothing_is_drawn():
    assert "<svg" not in audit_page(report(check("pass")))


def test_pairs_are_shown_as_two_pictures_with_labels_and_paths():
    sides = (Side("/x/a.png", "ill", "one", jpeg()), Side("/x/b.png", "well", "two", jpeg()))
    page = audit_page(report(check("fail", pairs=(Pair("mirrored", *sides),))))
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert {"ill", "well", "x/a.png", "These are mirror images of each other."} <= {
        word.strip().removeprefix("/") for word in read(page).words
    }


def test_a_film_without_a_picture_is_named_all_the_same():
    pair = Pair("bytes", Side("/x/a.png", None, None), Side("/x/b.png", "well", "two"))
    page = audit_page(report(check("fail", pairs=(pair,))))
    assert "<img" not in page
    assert "no label" in page


def test_names_of_films_cannot_become_markup():
    evil = Side("/x/<script>alert(1)</script>.png", "<b>", "one")
    page = audit_page(report(check("fail", pairs=(Pair("bytes", evil, evil),))))
    assert page.count("<script") == 1  # the page's own
    assert "<b>one" not in page


def test_the_page_asks_for_nothing_from_outside():
    page = audit_page(report(check("fail", numbers=NUMBERS)))
    addresses = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert [each for each in addresses if not each.startswith("data:")] == []


def test_the_json_of_a_check_has_all_but_the_pictures():
    pair = Pair("bytes", Side("a", "ill", "one", b"picture"), Side("b", None, None))
    full = check("warn", numbers=(("n", 3),), grid=CheckTable("T", ("A", "B"), (("x", "1"),)))
    assert replace(full, pairs=(pair,)).to_json() == {
        "name": "border_only",
        "title": "Question of border_only",
        "status": "warn",
        "sentence": "Sentence of border_only.",
        "numbers": {"n": 3},
        "table": [["A", "B"], ["x", "1"]],
        "examples": [
            {
                "kind": "bytes",
                "a": {"path": "a", "label": "ill", "source": "one"},
                "b": {"path": "b", "label": None, "source": None},
            }
        ],
    }


@pytest.mark.parametrize(
    ("value", "status"), [(0.09, "pass"), (0.1, "warn"), (0.24, "warn"), (0.25, "fail")]
)
def test_a_number_is_judged_by_the_limits_that_it_reaches(value, status):
    assert status_of(value, 0.1, 0.25) == status


def test_every_status_is_counted():
    found = count_statuses([check("pass"), check("pass"), check("fail")])
    assert found == {"fail": 1, "warn": 0, "pass": 2, "not_applicable": 0}
