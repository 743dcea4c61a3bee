"""What is said of a machine: what is there, and how to get what is not."""

import json

import pytest

from spark_cxr import cli
from spark_cxr.backbones import catalog
from spark_cxr.verbs.doctor import run as doctor


def told(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor"])
    assert ended.value.code == 0
    *lines, last = capsys.readouterr().out.splitlines()
    return lines, json.loads(last)


def test_what_is_here_is_marked_and_nothing_is_missing(capsys):
    lines, said = told(capsys)
    assert said["missing"] == []
    assert lines[-1] == "Nothing is missing."
    assert [line for line in lines if line.startswith("+ pyspark ")]
    assert [line for line in lines if line.startswith("+ Java ")]


def test_what_is_missing_has_its_way_out(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "PACKAGES", (("no-such-package", "films", "dicom", True),))
    lines, said = told(capsys)
    assert said["missing"] == ["Java", "no-such-package"]
    assert [line.split()[0] for line in lines if "spark-cxr[dicom]" in line] == ["!"]
    assert any("no java on the PATH: Install a Java 17" in line for line in lines)
    assert lines[-1] == "Missing: Java, no-such-package"


def test_weights_on_this_disk_are_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SPARK_CXR_CACHE", str(tmp_path))
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / catalog.get("VGG16").weights.name).touch()
    lines, _ = told(capsys)
    assert any(line.endswith("of ImageNet, on this disk: VGG16") for line in lines)
    assert not any(line.startswith("-") and "VGG16" in line for line in lines)
    assert list(tmp_path.iterdir()) == [folder]


def test_a_small_machine_is_told_so(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_GIB", 10**6)
    monkeypatch.setattr(doctor, "LEAST_FREE_GIB", 10**9)
    assert told(capsys)[1]["missing"] == ["Memory", "Disk"]
