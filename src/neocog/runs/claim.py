"""A run folder while a command writes into it: who else may, and what becomes of what is there.

A training writes into its folder from its first step on. One that replaces a run writes beside
it, and takes its place when it is finished: until then every command sees the run that was there,
and `neocog train --resume` takes up the one that is to replace it. A fix is written beside its
place always.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from neocog.errors import NeocogError, RunError, printable
from neocog.runs.folder import FILES, RunFolder
from neocog.runs.lock import LOCK, FolderLock, briefly
from neocog.runs.recipe import Recipe
from neocog.runs.swap import PART, beside, discard, draft, drafts, put, settle

__all__ = ["Claim", "claimed", "refuse_to_resume", "vacant"]


@dataclass
class Claim:
    """A place for a run, which one process has to itself.

    Args:
        place: of the run, when it is finished.
        folder: where it is written now.
        replaces: there is a run at the place already.
        made: there was not even a folder.
    """

    place: Path
    folder: RunFolder
    replaces: bool = False
    made: bool = False
    _locks: list[FolderLock] = field(default_factory=list)

    @property
    def apart(self) -> bool:
        """Whether the run is written elsewhere, until it is finished."""
        return self.folder.path != self.place

    def remarks(self) -> list[str]:
        """What a user should know of a run that is replaced."""
        if not self.apart:
            return []
        note = (
            f"The run in {printable(self.place)} stays as it is until this training, which is to "
            "replace it, is finished."
        )
        return [note]

    def begin(self, recipe: Recipe) -> RunFolder:
        """The folder of a new training; an older one that was to replace the same run is dropped.

        Args:
            recipe: of the training.

        Raises:
            RunError: the disk is full.
        """
        if not self.replaces:
            self.folder.sweep()
            self.folder.write_recipe(recipe)
            return self.folder
        with self._reasons():
            new = beside(self.place, "new")
            folder = RunFolder(draft(self.place))
            folder.write_recipe(recipe)
            self._lock(folder.path)
            discard(new, self.place)
            folder.path.rename(new)
            self.folder = RunFolder(new)
        return self.folder

    def aside(self) -> RunFolder:
        """An empty folder for a run that is written as a whole, and is nothing before."""
        if not os.path.ismount(self.place):
            with self._reasons():
                self.folder = RunFolder(draft(self.place))
                self._lock(self.folder.path)
        return self.folder

    def finish(self) -> None:
        """Put the run into its place, and let go what it replaces.

        Raises:
            RunError: it cannot take that place; both are unharmed.
        """
        if self.apart:
            with self._reasons():
                if self._is_draft:  # a training that was to replace the same run comes too late
                    discard(beside(self.place, "new"), self.place)
                put(self.folder.path, self.place, FILES)
                self.folder = RunFolder(self.place)

    @property
    def _is_draft(self) -> bool:
        return self.folder.path not in (self.place, beside(self.place, "new"))

    def _lock(self, folder: Path) -> None:
        lock = FolderLock(folder)
        lock.take()
        self._locks.append(lock)

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise _unwritable(self.place, e) from e

    def release(self) -> None:
        """Let others have it; what was written aside and is nothing yet goes."""
        if self._is_draft:
            shutil.rmtree(self.folder.path, ignore_errors=True)
        with briefly(self.place.parent):
            if self.made:
                with contextlib.suppress(OSError):
                    self.place.rmdir()  # if nothing came of it
            for lock in self._locks:
                lock.release()


@contextmanager
def claimed(path: Path, *, overwrite: bool = False, resume: bool = False) -> Iterator[Claim]:
    """Have the folder of a run, which is made if it is missing.

    Args:
        path: of the run.
        overwrite: replace a run that is there.
        resume: take up the training that is there.

    Raises:
        RunError: the folder holds something else, another process has it, or it cannot be written.
    """
    named = path.name not in ("", "..") and not path.is_symlink()
    place = path if named else Path(os.path.realpath(path))
    try:
        claim = _claim(place, overwrite=overwrite, resume=resume)
    except OSError as e:
        raise _unwritable(path, e) from e
    try:
        yield claim
    finally:
        claim.release()


def _claim(place: Path, *, overwrite: bool, resume: bool) -> Claim:
    if resume:
        settle(place, FILES)
        if not beside(place, "new").is_dir():
            RunFolder.open(place)  # says what is missing
    place.parent.mkdir(parents=True, exist_ok=True)
    settle(place, FILES)
    with briefly(place.parent):
        claim = Claim(place=place, folder=RunFolder(place), made=not place.exists())
        place.mkdir(exist_ok=True)
        lock = FolderLock(place)
        if not lock.take():
            raise RunError(
                f"One process trains into a run at a time, and another is at "
                f"`{printable(place)}`. Wait for it, or choose another folder with --out."
            )
        claim._locks.append(lock)
    try:
        _take(claim, overwrite=overwrite, resume=resume)
    except BaseException:
        claim.release()
        raise
    return claim


def _take(claim: Claim, *, overwrite: bool, resume: bool) -> None:
    """Look at what there is, now that nobody else changes it."""
    place, new = claim.place, beside(claim.place, "new")
    _must_be_writable(place)
    for left in drafts(place):
        shutil.rmtree(left, ignore_errors=True)
    filled = any(p.name != LOCK and not p.match(PART) for p in place.iterdir())
    claim.replaces = filled or new.is_dir()
    if resume:
        if new.is_dir():
            claim.folder = RunFolder(new)
            claim._lock(new)
        refuse_to_resume(claim.folder, place)
        return
    if not claim.replaces:
        return
    if not overwrite or (filled and not RunFolder(place).is_a_run()):
        raise RunError(
            f"A new run needs a folder of its own; `{printable(place)}` is not empty. "
            f"{_what_to_do(place)}"
        )
    _must_be_writable(place.parent)
    if os.path.ismount(place):
        raise RunError(
            f"A run is replaced by renaming its folder, and `{printable(place)}` is the root of a "
            "file system. Choose a folder below it with --out."
        )


def _must_be_writable(folder: Path) -> None:
    """Find out by writing; permissions say less."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def _unwritable(path: Path, e: OSError) -> RunError:
    return RunError(
        f"`{printable(path)}` must be a folder that can be written, and is not: "
        f"{e.strerror or e}. Choose another with --out."
    )


def _what_to_do(place: Path) -> str:
    """The commands that make sense with what is in a folder."""
    folder, name = RunFolder(place), shlex.quote(printable(place))
    if any(place.iterdir()) and not folder.is_a_run():
        return "It holds no run; choose another with --out."
    if beside(place, "new").is_dir():
        return (
            "A training that is to replace the run in it was stopped: take that up with "
            f"`neocog train --resume {name}`, begin it anew with --overwrite, or choose another "
            "with --out."
        )
    if folder.made_by() == "train" and not folder.finished():
        return (
            f"Choose another with --out, take up the training in it with "
            f"`neocog train --resume {name}`, or replace it with --overwrite."
        )
    return "Choose another with --out, or replace the run with --overwrite."


def refuse_to_resume(folder: RunFolder, place: Path) -> None:
    """Let only trainings be taken up.

    Args:
        folder: of what would be.
        place: what it is called.

    Raises:
        RunError: something else made it; says which command does what was meant.
        ModelError: what made it cannot be told, as its model.json is damaged.
    """
    if (folder.path / "model.json").exists():
        folder.card()
    if folder.made_by() != "fix":
        _must_go_on(folder, place)
        return
    again = "the command that made it, with --overwrite"
    with contextlib.suppress(NeocogError, AttributeError, TypeError):
        card = folder.card()
        model, data = card.get("fixed", {}).get("from"), card.get("data", {}).get("path")
        if model and data:
            words = " ".join(shlex.quote(printable(str(w))) for w in (model, data))
            again = f"`neocog fix {words} --overwrite --out {shlex.quote(printable(place))}`"
    raise RunError(
        f"Trainings are taken up, and `{printable(place)}` is the result of a fix, which a "
        f"training would overwrite. For another fine-tune run {again} and the options it had."
    )


def _must_go_on(folder: RunFolder, place: Path) -> None:
    """Do not begin a finished training again in the place of what it ended with."""
    if folder.finished() and not (folder.path / "checkpoint" / "state.safetensors").is_file():
        file = shlex.quote(printable(folder.path / "recipe.toml"))
        raise RunError(
            f"A training goes on from its checkpoint; that in `{printable(place)}` is finished, "
            f"and its checkpoint was removed. Make it again with `neocog train --recipe {file} "
            "--out FOLDER`, or go on from its weights with --init."
        )


def vacant(path: Path) -> bool:
    """Whether a new run may have a folder of that name: nothing is there, or nothing is in it."""
    if beside(path, "new").exists() or beside(path, "next").exists():
        return False
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))
