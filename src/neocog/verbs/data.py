"""What a data set holds."""

from __future__ import annotations

import os

from neocog.audits.clock import counted
from neocog.data.findings import first_screen
from neocog.data.gallery import copies, gallery, samples
from neocog.data.open import open_data, parse_source
from neocog.data.quality import Sheet
from neocog.errors import printable
from neocog.targets import target_file
from neocog.verbs.progress import Progress, progress_line

__all__ = ["data"]


def data(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    strict: bool = False,
    resize_mode: str = "crop",
    report: str | os.PathLike[str] | None = None,
    progress: Progress = True,
) -> Sheet:
    """Counts, sizes, broken files, duplicates within and across splits, labels that conflict.

    Args:
        path: `digits`, a folder or a file; of `DATA:test` the sheet speaks of that split alone.
        size: (H, W) to serve; None chooses.
        channels: 1 or 3; None chooses.
        seed: of the split, where the data brings none.
        strict: stop at the first file that cannot be used.
        resize_mode: how images are brought to that size: crop, stretch or pad.
        report: an HTML file to write.
        progress: shown on standard error, as by the command; False for none, or a function that is
            called with how far it has come.

    Raises:
        DataError: there is nothing at the path that can be used.
        RunError: the report cannot be written.

    Example:
        >>> sheet = data("digits")
        >>> sheet.counts["test"][:3], sheet.duplicates
        ((100, 100, 100), ())
    """
    if report is not None:
        target_file(report, option="report")
    where, part = parse_source(path)
    with progress_line("data", progress) as on_progress:
        source = open_data(
            where,
            size=size,
            channels=channels,
            seed=seed,
            strict=strict,
            resize_mode=resize_mode,
            part=part,
            progress=counted(on_progress, "reading images"),
        )
    if report is not None:
        from neocog.render.page import page, write

        sheet = source.sheet
        pairs = copies(source.splits, sheet, pairs=2)
        gallery_ = pairs if pairs.images else samples(source.splits, sheet, each=1)
        first = first_screen(sheet, where, (gallery_,))
        sections = [*sheet.exhibits(), gallery(source.splits, sheet)]
        title = f"Data: {printable(where)}"
        write(report, page(title, sections, subtitle=sheet.kind, first=first))
    return source.sheet
