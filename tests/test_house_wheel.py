import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_carries_library_jobs_and_settings_and_no_scratch(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    expected = {
        f"spark_cxr/{part}{path.relative_to(folder).as_posix()}"
        for part, folder, kinds in (
            (
                "",
                ROOT / "spark_cxr",
                ("py", "py.typed", "html", "css", "js", "svg", "keras", "films", "md", "toml"),
            ),
            ("jobs/", ROOT / "jobs", ("py",)),
            ("conf/", ROOT / "conf", ("toml", "properties", "sh", "conf")),
        )
        for path in folder.rglob("*")
        if path.name.endswith(kinds) and "__pycache__" not in path.parts
    }
    assert carried == expected
