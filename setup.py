"""What the package is: its parts, what it needs, the commands it brings."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "spark_cxr/__init__.py").read_text())[1]
JOBS = sorted(path.stem for path in (HERE / "jobs").glob("[a-z]*.py"))

EXTRAS = {
    # A cluster brings its own pyspark; a laptop does not.
    # Connect's own needs are named here: the extra of PySpark 3.5 would hold numpy below 2.
    "local": [
        "pyspark>=3.5,<5",
        "googleapis-common-protos>=1.71",
        "grpcio>=1.76",
        "grpcio-status>=1.76",
        "zstandard>=0.25",
    ],
    "cpu": ["openvino>=2025.1", "tensorflow-cpu>=2.18", "keras>=3.6"],
    "gpu": ["tensorflow[and-cuda]>=2.18", "keras>=3.6"],
    # A FILE.onnx on a CPU where that is asked for; on GPUs it is the package onnxruntime-gpu.
    "onnx": ["onnxruntime>=1.20"],
    # On the driver alone, which calibrates; workers and servers read what comes of it.
    "int8": ["nncf>=3.4"],
    # For training in several processes: pip takes the build for GPUs where PyPI is asked.
    "torch": ["torch>=2.6", "keras>=3.6"],
    "dicom": ["pydicom>=3.0,<4", "imagecodecs>=2026.1.14", "python-gdcm>=3.0.24"],
    "report": ["matplotlib>=3.9"],
    # mlflow-skinny tracks and registers, and the one that is pinned serves, too; mlflow itself
    # would hold pyarrow back. SQLAlchemy and Alembic are for a store in a database, also SQLite.
    "tracking": ["mlflow-skinny>=2.16,<4", "sqlalchemy>=2", "alembic>=1.13"],
    # Signatures of model directories.
    "sign": ["cryptography>=42"],
    "serve": ["fastapi>=0.115", "uvicorn>=0.30", "httptools>=0.6.3", "prometheus_client>=0.20"],
    "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.6", "mkdocstrings[python]>=0.29"],
    "dev": [
        "chispa>=0.10",
        # The resources of a Databricks bundle as types, to check ours against.
        "databricks-bundles>=1",
        "hypothesis>=6.100",
        # Conformal sets, to hold ours against.
        "mapie>=1.0",
        "mypy>=1.11",
        "pytest>=8.3",
        "pytest-timeout>=2.3",
        "pytest-xdist>=3.6",
        "pyyaml>=6",
        "ruff>=0.9",
        "scikit-learn>=1.5",
    ],
}

setup(
    name="spark-cxr",
    version=VERSION,
    description="Chest X-rays on Spark: ingest, featurize, train, compare, score, explain",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # jobs/ and conf/ lie at the top of a checkout, where people look, and inside the package
    # once it is installed, where the commands find them.
    packages=[
        *find_packages(include=["spark_cxr", "spark_cxr.*"]),
        *("spark_cxr.jobs", "spark_cxr.conf"),
    ],
    package_dir={"spark_cxr": "spark_cxr", "spark_cxr.jobs": "jobs", "spark_cxr.conf": "conf"},
    package_data={
        "spark_cxr.conf": ["*.toml", "*.conf", "*.sh", "datasets/*", "local/*", "sheets/*"],
        "spark_cxr": ["py.typed"],
        "spark_cxr.backbones": ["embedded/*", "cards/*"],
        "spark_cxr.images": ["embedded/*"],
        "spark_cxr.serve": ["static/*"],
    },
    install_requires=[
        "filelock>=3.13",
        "numpy>=1.26",
        "pandas>=2.2,<3",
        # Decoders that films from outside go through: JPEG 2000 takes memory without bound before
        # 12.3 (CVE-2026-59204), and the overflows in JPEG and tiled TIFF of October 2026
        # (CVE-2026-112403, CVE-2026-112395) are newer than that; upstream mends its latest alone.
        "pillow>=13",
        "pyarrow>=18",
        "simplejpeg>=1.8",
    ],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "spark-cxr = spark_cxr.cli:main",
            *(f"spark-cxr-{name.replace('_', '-')} = spark_cxr.cli:{name}" for name in JOBS),
        ]
    },
)
