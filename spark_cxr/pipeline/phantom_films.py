"""Drawn films for those who have none: on the driver, in a file that imports no Spark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from spark_cxr.errors import ConfigError, nearest
from spark_cxr.model.findings import NO_FINDING
from spark_cxr.output import Output
from spark_cxr.phantoms import (
    BOX_COLUMNS,
    SHARES,
    Phantom,
    box_rows,
    manifest_columns,
    manifest_csv,
    manifest_row,
    phantoms,
)
from spark_cxr.settings import Config, Phantoms

BOXES = "boxes.csv"
"""Where the findings lie on the drawn films."""


def phantoms_step(settings: Phantoms, seed: int, output: Output) -> Counter[str]:
    """Draw phantoms into a folder per class, with `manifest.csv`; count what was drawn.

    Of several findings a film, all lie in one folder, and `boxes.csv` says where.
    """
    shares = read_shares(settings.several_findings)
    if settings.unknown and not shares:
        received = f"--unknown {settings.unknown:g}, and one label a film"
        raise ConfigError("findings that can be unknown", received, "Add --several-findings")
    rows, boxes, counts = [], [], Counter[str]()
    for phantom in _drawn(settings, seed, shares):
        output.write_bytes(phantom.name, phantom.data)
        if phantom.mask:
            output.write_bytes(phantom.mask_name, phantom.mask)
        rows.append(manifest_row(phantom))
        boxes += box_rows(phantom)
        counts.update(_names(phantom))
    columns = manifest_columns([name for name, _ in shares])
    output.write_text("manifest.csv", manifest_csv(rows, columns))
    if shares:
        output.write_text(BOXES, manifest_csv(boxes, BOX_COLUMNS))
    return counts


def _drawn(settings: Phantoms, seed: int, shares: Sequence[tuple[str, float]]) -> Iterator[Phantom]:
    return phantoms(
        settings.count,
        seed,
        settings.size,
        settings.formats,
        settings.bad,
        masks=settings.masks,
        marker=settings.marker,
        shares=shares,
        unknown=settings.unknown,
        hospital=settings.hospital,
        least_severity=settings.least_severity,
    )


def _names(phantom: Phantom) -> list[str]:
    """Say under which names a film is counted."""
    if phantom.expected_reason:
        return ["bad"]
    return [phantom.label] if phantom.label else _findings_of(phantom)


def _findings_of(phantom: Phantom) -> list[str]:
    found = [name for name, has_it in phantom.findings if has_it]
    is_known = all(has_it is not None for _, has_it in phantom.findings)
    return found or ([NO_FINDING] if is_known else [])


def read_shares(words: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Read findings to draw, each with the share of patients who have it, or the usual one."""
    shares: dict[str, float] = {}
    for word in words:
        shares |= SHARES if word == "all" else _read_share(word)
    return tuple(shares.items())


def _read_share(word: str) -> dict[str, float]:
    name, has_share, share = word.partition("=")
    if name not in SHARES:
        raise ConfigError(f"findings from {', '.join(SHARES)}", word, nearest(name, tuple(SHARES)))
    try:
        return {name: float(share) if has_share else SHARES[name]}
    except ValueError:
        expected = "a share of patients from 0 to 1"
        raise ConfigError(expected, word, f"Write it like {name}=0.2") from None


def with_phantoms(cfg: Config, output: Output) -> Config:
    """Draw phantoms for a job that names neither images nor an earlier run."""
    if cfg.ingest.images or cfg.features.table:
        return cfg
    folder, drawing = Output(output.table("phantoms")), cfg.phantoms
    if cfg.ingest.findings and not drawing.several_findings:
        drawing = replace(drawing, several_findings=("all",))
    if drawing.several_findings and not cfg.ingest.findings:
        received = "--several-findings in a run of one label a film"
        raise ConfigError("--findings beside --several-findings", received, "Add --findings")
    phantoms_step(drawing, cfg.run.seed, folder)
    manifest = folder.table("manifest.csv")
    drawn = replace(cfg.ingest, images=(folder.address,), labels=manifest, dataset="")
    return replace(cfg, ingest=drawn)
