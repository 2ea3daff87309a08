"""A run folder that one process writes: locking, and replacing an existing run.

A training writes into its folder from its first step on. One that replaces a run writes beside
it, and is renamed when it is finished: until then every command sees the old run, and `neocog train
--resume` continues the new one. A fix is always written beside its path.
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
from neocog.runs.replacement import PART, beside, discard, draft, drafts, put, settle

__all__ = ["Claim", "claimed", "refuse_to_resume", "vacant"]


@dataclass
class Claim:
    """The path of a run, locked by one process.

    Args:
        path: of the finished run.
        folder: where it is written now.
        replaces: a run exists at the path.
        made: the folder was created.
    """

    path: Path
    folder: RunFolder
    replaces: bool = False
    made: bool = False
    _locks: list[FolderLock] = field(default_factory=list)

    @property
    def separate(self) -> bool:
        """Whether the run is written beside its path, until it is finished."""
        return self.folder.path != self.path

    def remarks(self) -> list[str]:
        """Notes on a run that is replaced."""
        if not self.separate:
            return []
        note = (
            f"The run in {printable(self.path)} is kept until this training, which replaces it, is "
            "finished."
        )
        return [note]

    def begin(self, recipe: Recipe) -> RunFolder:
        """The folder of a new training; an unfinished one for the same run is removed.

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
            new = beside(self.path, "new")
            folder = RunFolder(draft(self.path))
            folder.write_recipe(recipe)
            self._lock(folder.path)
            discard(new, self.path)
            folder.path.rename(new)
            self.folder = RunFolder(new)
        return self.folder

    def aside(self) -> RunFolder:
        """An empty folder for a run that is written at once."""
        if not os.path.ismount(self.path):
            with self._reasons():
                self.folder = RunFolder(draft(self.path))
                self._lock(self.folder.path)
        return self.folder

    def finish(self) -> None:
        """Rename the run to its path, and remove the one that it replaces.

        Raises:
            RunError: it cannot be renamed; both are unharmed.
        """
        if self.separate:
            with self._reasons():
                if self._is_draft:  # an unfinished training for the same run is obsolete
                    discard(beside(self.path, "new"), self.path)
                put(self.folder.path, self.path, FILES)
                self.folder = RunFolder(self.path)

    @property
    def _is_draft(self) -> bool:
        return self.folder.path not in (self.path, beside(self.path, "new"))

    def _lock(self, folder: Path) -> None:
        lock = FolderLock(folder)
        lock.take()
        self._locks.append(lock)

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise _unwritable(self.path, e) from e

    def release(self) -> None:
        """Unlock the folder; remove an unfinished draft."""
        if self._is_draft:
            shutil.rmtree(self.folder.path, ignore_errors=True)
        with briefly(self.path.parent):
            if self.made:
                with contextlib.suppress(OSError):
                    self.path.rmdir()  # if it is still empty
            for lock in self._locks:
                lock.release()


@contextmanager
def claimed(path: Path, *, overwrite: bool = False, resume: bool = False) -> Iterator[Claim]:
    """Lock the folder of a run; create it if it is missing.

    Args:
        path: of the run.
        overwrite: replace an existing run.
        resume: continue an existing training.

    Raises:
        RunError: the folder holds something else, is locked by another process, or cannot be
            written.
    """
    named = path.name not in ("", "..") and not path.is_symlink()
    resolved = path if named else Path(os.path.realpath(path))
    try:
        claim = _claim(resolved, overwrite=overwrite, resume=resume)
    except OSError as e:
        raise _unwritable(path, e) from e
    try:
        yield claim
    finally:
        claim.release()


def _claim(path: Path, *, overwrite: bool, resume: bool) -> Claim:
    if resume:
        settle(path, FILES)
        if not beside(path, "new").is_dir():
            RunFolder.open(path)  # the error names what is missing
    path.parent.mkdir(parents=True, exist_ok=True)
    settle(path, FILES)
    with briefly(path.parent):
        claim = Claim(path=path, folder=RunFolder(path), made=not path.exists())
        path.mkdir(exist_ok=True)
        lock = FolderLock(path)
        if not lock.take():
            raise RunError(
                f"Only one process can write to a run, and another is writing to "
                f"`{printable(path)}`. Wait for it, or choose another folder with --out."
            )
        claim._locks.append(lock)
    try:
        _take(claim, overwrite=overwrite, resume=resume)
    except BaseException:
        claim.release()
        raise
    return claim


def _take(claim: Claim, *, overwrite: bool, resume: bool) -> None:
    """Check the content of the locked folder."""
    path, new = claim.path, beside(claim.path, "new")
    _must_be_writable(path)
    for leftover in drafts(path):
        shutil.rmtree(leftover, ignore_errors=True)
    filled = any(p.name != LOCK and not p.match(PART) for p in path.iterdir())
    claim.replaces = filled or new.is_dir()
    if resume:
        if new.is_dir():
            claim.folder = RunFolder(new)
            claim._lock(new)
        refuse_to_resume(claim.folder, path)
        return
    if not claim.replaces:
        return
    if not overwrite or (filled and not RunFolder(path).is_a_run()):
        raise RunError(
            f"A new run needs an empty folder; `{printable(path)}` is not empty. "
            f"{_what_to_do(path)}"
        )
    _must_be_writable(path.parent)
    if os.path.ismount(path):
        raise RunError(
            f"Replacing a run renames its folder, and `{printable(path)}` is the root of a "
            "file system. Choose a folder below it with --out."
        )


def _must_be_writable(folder: Path) -> None:
    """Test by writing; permissions are not enough."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def _unwritable(path: Path, e: OSError) -> RunError:
    return RunError(
        f"`{printable(path)}` must be a folder that can be written, and is not: "
        f"{e.strerror or e}. Choose another with --out."
    )


def _what_to_do(path: Path) -> str:
    """Suggest commands for the content of a folder."""
    folder, name = RunFolder(path), shlex.quote(printable(path))
    if any(path.iterdir()) and not folder.is_a_run():
        return "It holds no run; choose another with --out."
    if beside(path, "new").is_dir():
        return (
            "A training that replaces the run in it was interrupted: continue it with "
            f"`neocog train --resume {name}`, restart it with --overwrite, or choose another "
            "with --out."
        )
    if folder.made_by() == "train" and not folder.finished():
        return (
            f"Choose another with --out, continue the training in it with "
            f"`neocog train --resume {name}`, or replace it with --overwrite."
        )
    return "Choose another with --out, or replace the run with --overwrite."


def refuse_to_resume(folder: RunFolder, path: Path) -> None:
    """Refuse to resume anything but a training.

    Args:
        folder: of the run.
        path: of the run, for the message.

    Raises:
        RunError: another command made it; the message has that command.
        ModelError: its model.json is damaged, so the command is unknown.
    """
    if (folder.path / "model.json").exists():
        folder.card()
    if folder.made_by() != "fix":
        _must_go_on(folder, path)
        return
    command = "the command that made it, with --overwrite"
    with contextlib.suppress(NeocogError, AttributeError, TypeError):
        card = folder.card()
        model, data = card.get("fixed", {}).get("from"), card.get("data", {}).get("path")
        if model and data:
            words = " ".join(shlex.quote(printable(str(w))) for w in (model, data))
            command = f"`neocog fix {words} --overwrite --out {shlex.quote(printable(path))}`"
    raise RunError(
        f"Only trainings can be resumed, and `{printable(path)}` is the result of a fix, which a "
        f"training would overwrite. For another fine-tune run {command} and its options."
    )


def _must_go_on(folder: RunFolder, path: Path) -> None:
    """Refuse to restart a finished training over its result."""
    if folder.finished() and not (folder.path / "checkpoint" / "state.safetensors").is_file():
        file = shlex.quote(printable(folder.path / "recipe.toml"))
        raise RunError(
            f"Resuming needs a checkpoint; the training in `{printable(path)}` is finished, "
            "and its "
            f"checkpoint was removed. Repeat it with `neocog train --recipe {file} "
            "--out FOLDER`, or start from its weights with --init."
        )


def vacant(path: Path) -> bool:
    """Whether a new run may use this path: it is missing or empty."""
    if beside(path, "new").exists() or beside(path, "next").exists():
        return False
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))
