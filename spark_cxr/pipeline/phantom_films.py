"""Drawn films for those who have none: on the driver, in a file that imports no Spark."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from spark_cxr.output import Output
from spark_cxr.phantoms import manifest_csv, manifest_row, phantoms
from spark_cxr.settings import Config, Phantoms


def phantoms_step(settings: Phantoms, seed: int, output: Output) -> Counter[str]:
    """Draw phantoms into a folder per class, with `manifest.csv`; count what was drawn."""
    drawn = phantoms(
        settings.count,
        seed,
        settings.size,
        settings.formats,
        settings.bad,
        masks=settings.masks,
        marker=settings.marker,
    )
    rows, counts = [], Counter[str]()
    for phantom in drawn:
        output.write_bytes(phantom.name, phantom.data)
        if phantom.mask:
            output.write_bytes(phantom.mask_name, phantom.mask)
        rows.append(manifest_row(phantom))
        counts["bad" if phantom.expected_reason else phantom.label] += 1
    output.write_text("manifest.csv", manifest_csv(rows))
    return counts


def with_phantoms(cfg: Config, output: Output) -> Config:
    """Draw phantoms for a job that names neither images nor an earlier run."""
    if cfg.ingest.images or cfg.features.table:
        return cfg
    folder = Output(output.table("phantoms"))
    phantoms_step(cfg.phantoms, cfg.run.seed, folder)
    manifest = folder.table("manifest.csv")
    drawn = replace(cfg.ingest, images=(folder.address,), labels=manifest, dataset="")
    return replace(cfg, ingest=drawn)
