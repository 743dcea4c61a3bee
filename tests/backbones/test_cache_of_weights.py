"""Official files: found, fetched, gone on with, checked."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Site

from spark_cxr.backbones.cache import obtain
from spark_cxr.backbones.catalog import PublishedWeights
from spark_cxr.errors import WeightsError

DATA = bytes(range(256)) * 4000
NAME = "net_notop.h5"


def published(site: Site, data: bytes = DATA) -> PublishedWeights:
    return PublishedWeights(f"{site.address}/{NAME}", hashlib.md5(data).hexdigest())


def silent(_: str) -> None:
    pass


def test_file_comes_from_its_origin(site: Site) -> None:
    site.files[NAME] = DATA
    path, origin = obtain(published(site), "", silent)
    assert (path.read_bytes(), origin) == (DATA, f"{site.address}/{NAME}")


def test_file_in_the_cache_is_not_fetched_again(site: Site) -> None:
    site.files[NAME] = DATA
    obtain(published(site), "", silent)
    obtain(published(site), "", silent)
    assert len(site.requests) == 1


def test_nothing_but_the_file_and_its_lock_is_left(site: Site) -> None:
    site.files[NAME] = DATA
    path, _ = obtain(published(site), "", silent)
    assert sorted(each.name for each in path.parent.iterdir()) == [NAME, f"{NAME}.lock"]


def test_damaged_file_in_the_cache_is_fetched_again(site: Site) -> None:
    site.files[NAME] = DATA
    path, _ = obtain(published(site), "", silent)
    path.write_bytes(DATA[:-1])
    said: list[str] = []
    assert obtain(published(site), "", said.append)[0].read_bytes() == DATA
    assert said[0] == f"weights: {path} is damaged and is fetched again"


def test_wrong_digest_is_refused_and_nothing_kept(site: Site, cache: Path) -> None:
    site.files[NAME] = b"someone else's weights"
    file = published(site)
    received = hashlib.md5(site.files[NAME]).hexdigest()
    with pytest.raises(WeightsError) as caught:
        obtain(file, "", silent)
    assert str(caught.value) == (
        f"Expected {NAME} with MD5 {file.md5}. Received: {received} from {file.url}. "
        "Nothing was kept. Is a proxy in between? Give a directory as features.mirror."
    )
    assert [each.name for each in (cache / "weights").iterdir()] == [f"{NAME}.lock"]


def test_download_that_was_cut_goes_on_where_it_stopped(site: Site) -> None:
    site.files[NAME], site.cuts = DATA, 1
    assert obtain(published(site), "", silent)[0].read_bytes() == DATA
    assert [each for _, each in site.requests] == ["", f"bytes={len(DATA) // 2}-"]


def test_next_job_goes_on_where_the_last_one_gave_up(site: Site) -> None:
    site.files[NAME], site.cuts = DATA, 4
    with pytest.raises(WeightsError, match="cut off after"):
        obtain(published(site), "", silent)
    site.requests.clear()
    assert obtain(published(site), "", silent)[0].read_bytes() == DATA
    assert site.requests[0][1].startswith("bytes=")


def test_server_without_ranges_sends_all_again(site: Site) -> None:
    site.files[NAME], site.cuts, site.knows_ranges = DATA, 1, False
    assert obtain(published(site), "", silent)[0].read_bytes() == DATA


@pytest.mark.parametrize("kept", [b"x" * 1000, DATA + b"more"], ids=["wrong", "too long"])
def test_beginning_that_does_not_fit_is_thrown_away(site: Site, cache: Path, kept: bytes) -> None:
    site.files[NAME] = DATA
    (cache / "weights").mkdir(parents=True)
    (cache / "weights" / f"{NAME}.part").write_bytes(kept)
    assert obtain(published(site), "", silent)[0].read_bytes() == DATA


def test_server_that_is_gone_is_named_with_the_way_out(cache: Path) -> None:
    file = PublishedWeights(f"http://127.0.0.1:9/{NAME}", "0" * 32)
    with pytest.raises(WeightsError) as caught:
        obtain(file, "", silent)
    told = str(caught.value)
    assert told.startswith(f"Expected {NAME} from one of its origins. Received: {file.url}: ")
    assert f"put {NAME} into a directory and give it as features.mirror" in told


def test_file_that_the_server_does_not_have_is_told_at_once(site: Site) -> None:
    with pytest.raises(WeightsError, match=f"{NAME}: HTTP 404"):
        obtain(published(site), "", silent)
    assert len(site.requests) == 1


def test_mirror_directory_comes_before_the_origin(site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(DATA)
    assert obtain(published(site), str(tmp_path), silent)[0] == tmp_path / NAME
    assert site.requests == []


def test_wrong_file_in_a_mirror_directory_is_refused_and_left(site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"wrong")
    with pytest.raises(WeightsError, match="Replace the file in the mirror"):
        obtain(published(site), str(tmp_path), silent)
    assert (tmp_path / NAME).read_bytes() == b"wrong"


def test_mirror_address_comes_before_the_origin(site: Site) -> None:
    site.files[f"mirror/{NAME}"] = DATA
    path, origin = obtain(published(site), f"{site.address}/mirror/", silent)
    assert (path.read_bytes(), origin) == (DATA, f"{site.address}/mirror/{NAME}")


def test_mirror_without_the_file_is_passed_over(site: Site) -> None:
    site.files[NAME] = DATA
    assert obtain(published(site), f"{site.address}/mirror", silent)[1] == f"{site.address}/{NAME}"


def test_keras_own_cache_is_used(site: Site, tmp_path: Path) -> None:
    kept = tmp_path / "keras" / "models" / NAME
    kept.parent.mkdir(parents=True)
    kept.write_bytes(DATA)
    assert obtain(published(site), "", silent)[0] == kept


def test_file_without_a_published_digest_is_taken_as_it_comes(site: Site) -> None:
    site.files[NAME] = DATA
    assert (
        obtain(PublishedWeights(f"{site.address}/{NAME}", ""), "", silent)[0].read_bytes() == DATA
    )


def test_progress_is_told_in_tenths(site: Site) -> None:
    site.files[NAME] = DATA
    said: list[str] = []
    obtain(published(site), "", said.append)
    assert said[-1] == f"weights: {NAME}: 1.0 of 1.0 MB"


def test_two_processes_download_once(site: Site) -> None:
    site.files[NAME] = DATA
    file = published(site)
    code = (
        "from spark_cxr.backbones.catalog import PublishedWeights\n"
        "from spark_cxr.backbones.cache import obtain\n"
        f"print(obtain(PublishedWeights({file.url!r}, {file.md5!r}), '', lambda _: None)[0])"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = {process.communicate()[0].strip() for process in started}
    assert [Path(path).read_bytes() for path in paths] == [DATA]
    assert len(site.requests) == 1
