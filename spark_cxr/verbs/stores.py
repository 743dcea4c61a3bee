"""What has never run anywhere is refused, by every job, until somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from spark_cxr.choices import DELTA
from spark_cxr.errors import ConfigError, without_password
from spark_cxr.output import is_untried
from spark_cxr.settings import Config


def check_stores(cfg: Config, sections: Sequence[str]) -> None:
    """Refuse what has never run anywhere, unless it is asked for.

    Raises:
        ConfigError: A store was never tried, or the table is to be Delta.
    """
    if cfg.stores.experimental:
        return
    given = [
        (f"--{name.replace('_', '-')} {without_password(str(each))}", each)
        for section in sections
        for name, value in vars(getattr(cfg, section)).items()
        for each in (value if isinstance(value, tuple) else (value,))
    ]
    words = [word for word, each in given if isinstance(each, str) and is_untried(each)]
    if "score" in sections and cfg.score.format == DELTA:
        words.append(f"--format {DELTA}")
    if words:
        expected = "folders or s3a:, and tables of Parquet, which is what has been tried"
        raise ConfigError(expected, words[0], "Say --experimental to use it all the same")
