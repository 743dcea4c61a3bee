"""Names of classes and findings as a drawing has room for them: wrapped, or cut in the middle."""

import re

from spark_cxr.metrics.wording import printable


def shortened(name: str, most: int) -> str:
    """Cut a name in its middle: names of one family differ at their ends."""
    plain = printable(name).strip() or "–"
    if len(plain) <= most:
        return plain
    end = (most - 1) // 2
    return f"{plain[: most - 1 - end].rstrip()}…{plain[-end:].lstrip()}"


def in_lines(name: str, width: int, most: int = 2) -> str:
    """Break a name at spaces and behind underscores and dashes into lines of some width.

    A part that is longer than a line, and what the last line has no room for, is cut.
    """
    lines = [""]
    parts = re.findall(r"[^\s_-]*[\s_-]+|[^\s_-]+", printable(name).strip()) or ["–"]
    for place, part in enumerate(parts):
        if len(f"{lines[-1]}{part}".rstrip()) <= width:
            lines[-1] += part
        elif len(lines) < most:
            lines.append(part)
        else:
            lines[-1] += "".join(parts[place:])
            break
    kept = (line for line in lines if line.strip())
    return "\n".join(shortened(line, width) for line in kept)
