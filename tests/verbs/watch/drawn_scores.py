"""A table of scores as `score` leaves it, drawn week by week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spark_cxr.verbs.watch.table import QUARANTINE_COLUMNS, SCORE_COLUMNS

START = datetime(2024, 1, 1, 8, tzinfo=UTC)
"""A Monday."""
LABELS = ("Normal", "Pneumonia", "COVID-19")
SCORES = pa.schema([*SCORE_COLUMNS.items(), ("bytes", pa.int64())])
QUARANTINE = pa.schema(
    [("path", pa.string()), ("sha256", pa.string()), *QUARANTINE_COLUMNS.items()]
)


def draw_week(
    week: int,
    rng: np.random.Generator,
    films: int = 140,
    shares: tuple[float, ...] = (0.6, 0.3, 0.1),
    model: str = "model-a",
    start: datetime = START,
) -> list[dict[str, Any]]:
    """Draw the rows of a week."""
    rows = []
    for number in range(films):
        at = start + timedelta(days=7 * week + number % 7, minutes=number)
        best = int(rng.choice(len(shares), p=shares))
        sure = float(0.6 + 0.35 * rng.random())
        odds = np.full(len(shares), (1 - sure) / (len(shares) - 1))
        odds[best] = sure
        rows.append(
            {
                "path": f"file:/arrivals/{week}/film-{week}-{number}.png",
                "sha256": f"{week:032x}{number:032x}",
                "prediction": LABELS[best],
                "confidence": sure,
                "probabilities": list(zip(LABELS, odds.tolist(), strict=True)),
                "model": model,
                "scored_at": at,
                "modified": at,
                "training_distance": float(rng.gamma(9, 0.08)),
                "flags": [],
                "bytes": 1000,
            }
        )
    return rows


def refused_rows(
    week: int, films: int, model: str = "model-a", reason: str = "truncated"
) -> list[dict[str, Any]]:
    """Give rows of the quarantine."""
    at = START + timedelta(days=7 * week)
    return [
        {
            "path": f"file:/arrivals/{week}/bad-{number}",
            "sha256": None,
            "reason": reason,
            "model": model,
            "scored_at": at + timedelta(days=number % 7),
            "modified": at,
        }
        for number in range(films)
    ]


def write_rows(
    table: Path, rows: list[dict[str, Any]], name: str = "run", kind: str = "", **more: Any
) -> Path:
    """Commit rows as a batch of `score` does."""
    schema = QUARANTINE if kind else SCORES
    folder = table / kind / f"scored_on={rows[0]['scored_at']:%Y-%m-%d}" if rows else table / kind
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema), path, **more)
    return path


def write_course(
    table: Path, weeks: int, shift_from: int = 10**6, seed: int = 0, **drawing: Any
) -> None:
    """Draw a course, whose third class becomes common from a week on."""
    rng = np.random.default_rng(seed)
    for week in range(weeks):
        shares = (0.3, 0.3, 0.4) if week >= shift_from else (0.6, 0.3, 0.1)
        write_rows(table, draw_week(week, rng, shares=shares, **drawing), f"week-{week}")
        write_rows(table, refused_rows(week, 3), f"week-{week}", "_quarantine")
