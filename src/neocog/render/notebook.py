"""What every result can do: show its first screen in a notebook and a terminal, write its page.

In a notebook the first screen is a page of its own within a frame: its style touches nothing
around it, it runs no script, and it asks for nothing outside itself.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from neocog.exhibits import Section
from neocog.first_screen import FirstScreen
from neocog.jsonable import Jsonable

__all__ = ["Drawing", "Result", "framed"]

HEIGHT = 720
"""Of the frame in a notebook, in CSS pixels."""


class Result(Jsonable, ABC):
    """A result that shows itself. Data classes of it take `repr=False`."""

    @abstractmethod
    def heading(self) -> str:
        """What it is, a line."""

    @abstractmethod
    def first_screen(self) -> FirstScreen:
        """The headline, five figures, an image, what to do next."""

    @abstractmethod
    def sections(self) -> Sequence[Section]:
        """Everything, in reading order."""

    def opening(self) -> Section:
        """The first screen as a section: headline, image and figures."""
        screen = self.first_screen()
        badge = f"{screen.badge}: " if screen.badge else ""
        return Section(
            title=f"{badge}{screen.headline}".removesuffix("."),
            exhibits=(*screen.image, *screen.figures),
            text=screen.detail,
        )

    def summary(self) -> str:
        """The first screen in words, 80 columns wide."""
        return self.first_screen().text()

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole report as one self-contained HTML file.

        Args:
            path: the file.

        Raises:
            UsageError: it is not a path for a file.
            RunError: the file cannot be written.
        """
        from neocog.render.page import page, write
        from neocog.targets import target_file

        target = target_file(path, option="path")
        write(target, page(self.heading(), self.sections(), first=self.first_screen()))
        return target

    def plot(self, path: str | os.PathLike[str] | None = None) -> Drawing:
        """The image of the first screen as one SVG drawing; its figures where it has no image.

        Args:
            path: where to write it too.

        Returns:
            Its text, which a notebook shows as the drawing.

        Raises:
            UsageError: it is not a path for a file.
            RunError: the file cannot be written.
        """
        from neocog.render.drawing import as_svg
        from neocog.render.page import write
        from neocog.targets import target_file

        screen = self.first_screen()
        drawing = Drawing(as_svg(screen.image or screen.figures, title=self.heading()))
        if path is not None:
            write(target_file(path, option="path"), drawing)
        return drawing

    def __repr__(self) -> str:
        return f"{self.heading()}\n{self.summary()}"

    def _repr_html_(self) -> str:
        return framed(self.first_screen(), title=self.heading())


class Drawing(str):
    """An SVG drawing, as text; in a notebook, the drawing itself."""

    def _repr_svg_(self) -> str:
        return str(self)


def framed(screen: FirstScreen, *, title: str) -> str:
    """A first screen as a frame for a notebook.

    Args:
        screen: its content.
        title: its subject.
    """
    from neocog.render.page import page

    html = page(title, (), first=screen)
    frame = Markup(
        '<iframe srcdoc="{}" sandbox="" title="{}" '
        'style="width:100%;height:{}px;border:1px solid #8884;border-radius:6px"></iframe>'
    )
    return str(frame.format(html, title, HEIGHT))
