"""Where films are looked for, as one tuple of words: folders, a folder a day, lists of paths.

A list of paths is a word of its own form among the folders, so that every verb that takes folders
takes lists. A folder a day, as stores have it (`films/%Y/%m/%d`), becomes a glob of the days that
count.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from spark_cxr.errors import ConfigError

PATHS = "paths:"
"""Begins the word for a list of paths."""
TABLE, SQL = "table:", "sql:"
"""Begin the words for films in a table, and in what a query gives."""
MOST_DAYS = 3660


def places(
    images: tuple[str, ...], paths: str, new_since: str, dataset: str = ""
) -> tuple[str, ...]:
    """Put together what --images, --paths, --new-since and the folders of --dataset say.

    Raises:
        ConfigError: A day is none, or no folder has days in its name.
    """
    folders = [folder for _, folder in named_folders(dataset) if folder]
    words = _by_day(images, _day(new_since)) if new_since else images
    return tuple(dict.fromkeys((*words, *folders, *([f"{PATHS}{paths}"] if paths else []))))


def named_folders(text: str) -> tuple[tuple[str, str], ...]:
    """Take NAME=FOLDER,NAME=FOLDER apart; a name alone is a pair without a folder."""
    if "=" not in text:
        return ((text, ""),) if text else ()
    pairs = (word.partition("=") for word in text.split(",") if word.strip())
    return tuple((name.strip(), folder.strip()) for name, _, folder in pairs)


def is_list(place: str) -> bool:
    """Tell a list of paths from a folder or glob."""
    return place.startswith(PATHS)


def is_table(place: str) -> bool:
    """Tell films in a table or query from a folder or glob."""
    return place.startswith((TABLE, SQL))


def is_folder(place: str) -> bool:
    """Tell a folder, a glob or a file from a list and from a table."""
    return not is_list(place) and not is_table(place)


def _by_day(images: tuple[str, ...], first: date) -> tuple[str, ...]:
    if not any("%" in image or "{" in image for image in images):  # settings may come by twice
        received = ", ".join(images)[:200] or "none"
        way_out = "Write it like --images s3://bucket/films/%Y/%m/%d"
        raise ConfigError("--images with the day in them beside --new-since", received, way_out)
    count = (_today() - first).days + 1
    days = [first + timedelta(days=n) for n in range(count)]
    return tuple(_glob(image, days) if "%" in image else image for image in images)


def _glob(image: str, days: list[date]) -> str:
    """Name the folders of all these days; those that are not there are none of a glob's."""
    start = image.index("%")
    head, tail = image[:start], image[start:]
    return f"{head}{{{','.join(day.strftime(tail) for day in days)}}}"


def _day(text: str) -> date:
    """Read a day, or how many days ago it was: 2026-11-30, 7d."""
    try:
        ago = int(text.removesuffix("d")) if text.endswith("d") else None
        day = date.fromisoformat(text) if ago is None else _today() - timedelta(days=ago)
    except (ValueError, OverflowError):
        way_out = "Say --new-since 2026-11-30, or 7d"
        raise ConfigError("--new-since as a day or a number of days", text, way_out) from None
    if not 0 <= (_today() - day).days <= MOST_DAYS:
        raise ConfigError(f"a day of the last {MOST_DAYS:,}", text, "Check --new-since")
    return day


def _today() -> date:
    return datetime.now(UTC).date()
