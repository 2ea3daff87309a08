"""Which folders below a data folder are its classes, and which of them are splits.

Understood, from the published sets that people have on their disks:

    ROOT/CLASS/**/image                          one folder per class
    ROOT/{train, val, test}/CLASS/**/image       splits above the classes, in many spellings
    ROOT/CLASS/{train, val, test}/**/image       the other way around
    ROOT/one/or/more/folders/…                   any of these, some folders too deep
    ROOT/seg_train/seg_train/CLASS/…             a folder in itself, as archives unpack
    ROOT/train/images/CLASS/…                    the same, by another name
    ROOT/image                                   a flat folder: no class, nothing is labeled
    ROOT/{train, val, test}/image                flat folders of splits

Decisions are reported: each folder that is passed over, and why.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from neocog.data.quality import Fault
from neocog.data.split_names import (
    ENDINGS,
    IMAGES,
    NO_CLASSES,
    NO_IMAGES,
    class_key,
    hidden,
    role_of,
    roles_of,
    spelled,
)
from neocog.errors import DataError, printable

__all__ = ["ClassFolder", "FolderLayout", "find_layout"]


DEPTH = 8
"""Folders that are looked through above the classes, one in the other."""

_LOOKS = 20_000
"""Folders that are looked into, at most, to find out what the layout is."""
_LEFT = "folder left out: "
"""How the reason of a folder that is passed over begins."""


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose images are of one class.

    Args:
        role: train, val, test, or "" where there are no splits.
        path: below the root.
        name: of the class; "" of a flat folder, whose images have none.
    """

    role: str
    path: str
    name: str


@dataclass
class FolderLayout:
    """What was found.

    Args:
        classes: the folders of the classes; several may be of one class.
        splits: folders of splits, below the root.
        faults: folders that are passed over.
        remarks: sentences on how the folders were understood.
        cautions: sentences on images that are left out or may have been understood wrongly.
    """

    classes: list[ClassFolder] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)


def find_layout(top: str) -> FolderLayout:
    """Where the classes are.

    Args:
        top: the data folder, a real path.

    Raises:
        DataError: the folder cannot be read, holds nothing, or is a set for another task.
    """
    layout = FolderLayout()
    tree = _Tree(top, layout.faults)
    level = ""
    for _ in range(DEPTH):
        folders = tree.folders(level)
        if not folders:
            break
        if _splits(tree, level, layout) or _inverted(tree, level, layout):
            return _checked(layout, tree, level)
        inner = _inner(tree, level, layout)
        if inner is None:
            break
        level = inner
    if flat := _flat(tree, level, layout):
        return flat
    layout.classes = [ClassFolder("", _join(level, f), f) for f in tree.folders(level)]
    return _checked(layout, tree, level)


# ---- what a folder holds


class _Tree:
    """Visible entries of folders, each read once."""

    def __init__(self, top: str, faults: list[Fault]) -> None:
        self.top = top
        self.faults = faults
        self.known: dict[str, tuple[list[str], bool, int]] = {}

    def full_path(self, path: str) -> str:
        """Of a folder, from the root of the disk."""
        return f"{self.top}/{path}" if path else self.top

    def look(self, path: str) -> tuple[list[str], bool, int]:
        """Names of the folders in one, whether files may be images, and how many are, by name."""
        if path not in self.known:
            folders, images, sure = [], False, 0
            try:
                with os.scandir(f"{self.top}/{path}") as entries:
                    for entry in entries:
                        if hidden(entry.name):
                            continue
                        if _is_folder(entry):
                            folders.append(entry.name)
                            continue
                        ending = entry.name[entry.name.rfind(".") :].lower()
                        sure += ending in ENDINGS
                        images = images or ending not in NO_IMAGES
            except OSError as e:
                if not path:
                    raise DataError(
                        f"A data folder has to be readable; {printable(self.top)} is not "
                        f"({e.strerror}). Check its permissions."
                    ) from e
                self.faults.append(Fault(path, f"folder cannot be read ({e.strerror})"))
            self.known[path] = sorted(folders), images, sure
        return self.known[path]

    def folders(self, path: str) -> list[str]:
        return self.look(path)[0]

    def images(self, path: str) -> bool:
        return self.look(path)[1]

    def full(self, path: str, depth: int = DEPTH) -> bool:
        """Whether there may be images in a folder or below."""
        if path not in self.known and len(self.known) > _LOOKS:
            return False
        if self.images(path):
            return True
        return depth > 0 and any(self.full(_join(path, f), depth - 1) for f in self.folders(path))

    def fulls(self, path: str) -> list[str]:
        """The folders in one that may hold images."""
        return [f for f in self.folders(path) if self.full(_join(path, f))]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, for one
        return False


def _join(level: str, name: str) -> str:
    return f"{level}/{name}" if level else name


# ---- what the folders are


def _splits(tree: _Tree, level: str, layout: FolderLayout) -> bool:
    """Splits above the classes."""
    names = tree.folders(level)
    roles = roles_of(names)
    before = len(layout.faults)
    roots = {f: _below(tree, _join(level, f)) for f in roles}
    parts = {f: tree.folders(root) for f, root in roots.items()}
    train = [f for f in roles if roles[f] == "train" and parts[f]]
    others = [f for f in tree.fulls(level) if f not in roles]
    if not train and (others or not any(parts.values())):
        return False
    if {r for f, r in roles.items() if parts[f]} == {"train"} and _is_class(tree, level, train[0]):
        return False
    known = {class_key(c) for f in train for c in parts[f]}
    for f in names:
        path = _join(level, f)
        if f not in roles:
            layout.faults.append(Fault(path, "folder left out: not train, val or test"))
        elif not parts[f]:
            layout.faults.append(Fault(path, "folder left out: holds no class folders"))
        elif known and not known & {class_key(c) for c in parts[f]}:
            reason = f"folder left out: none of its folders is a class of {', '.join(train)}"
            layout.faults.append(Fault(path, reason))
        else:
            layout.splits.append(path)
            layout.classes += [ClassFolder(roles[f], _join(roots[f], c), c) for c in parts[f]]
            _say_loose(tree, roots[f], layout)
    _say_left(tree, layout, before)
    return True


def _is_class(tree: _Tree, level: str, train: str) -> bool:
    """Whether `train` is a class like the folders beside it: all hold images themselves."""
    beside = [f for f in tree.fulls(level) if f != train and not role_of(f)]
    return bool(beside) and all(tree.look(_join(level, f))[2] for f in (train, *beside))


def _below(tree: _Tree, path: str) -> str:
    """Where a split has its class folders: in itself, or in a folder that is all it holds."""
    for _ in range(DEPTH):
        inner = tree.fulls(path)
        only = _join(path, inner[0]) if len(inner) == 1 and not tree.images(path) else ""
        if not only or tree.images(only) or not tree.fulls(only):
            break
        path = only
    return path


def _inverted(tree: _Tree, level: str, layout: FolderLayout) -> bool:
    """Splits below the classes."""
    classes = tree.fulls(level)
    roles = {c: roles_of(tree.folders(_join(level, c))) for c in classes}
    if len(classes) < 2 or not all(roles.values()):
        return False
    if any(tree.images(_join(level, c)) for c in classes):
        return False
    if not all("train" in r.values() for r in roles.values()):
        return False
    for c in tree.folders(level):
        if c not in roles:
            reason = "folder left out: holds no images"
            layout.faults.append(Fault(_join(level, c), reason))
    for c in classes:
        for f in tree.folders(_join(level, c)):
            path = f"{_join(level, c)}/{f}"
            if f in roles[c]:
                layout.classes.append(ClassFolder(roles[c][f], path, c))
            else:
                layout.faults.append(Fault(path, "folder left out: not train, val or test"))
    layout.remarks.append("The splits stand below the classes, as CLASS/train and CLASS/test.")
    return True


def _inner(tree: _Tree, level: str, layout: FolderLayout) -> str | None:
    """The one folder that holds the classes, where it is a folder too many."""
    full = tree.fulls(level)
    named = [f for f in full if f.lower() not in NO_CLASSES]
    if len(named) != 1:
        return None
    inner = _join(level, named[0])
    below = tree.fulls(inner)
    if len(named) < len(full) and named[0].lower() not in IMAGES:
        return None  # `mask` and `no_mask` are classes
    if len(named) < len(full) and len(below) < 2:
        raise DataError(
            f"{printable(f'{tree.top}/{level}'.rstrip('/'))} holds {named[0]}/ and "
            f"{' and '.join(f'{f}/' for f in full if f != named[0])}, a data set for segmentation "
            "or detection; only classification is supported here. Give a folder of class folders."
        )
    if not below or (len(below) == 1 and tree.images(inner)):
        return None
    for f in tree.folders(level):
        if f != named[0]:
            reason = "holds no images" if f not in full else "no class, by its name"
            layout.faults.append(Fault(_join(level, f), f"folder left out: {reason}"))
    return inner


def _flat(tree: _Tree, level: str, layout: FolderLayout) -> FolderLayout | None:
    """Images without class folders, with splits above them or not; None where classes are."""
    full = tree.fulls(level)
    roles = roles_of(full)
    loose = tree.look(level)[2] if full else tree.images(level)
    if full and len(roles) == len(full):
        layout.classes = [ClassFolder(roles[f], _join(level, f), "") for f in full]
        layout.splits = [c.path for c in layout.classes]
    elif loose and len(full) < 2:
        layout.classes = [ClassFolder("", level, "")]
    elif not loose and len(full) == 1 and full[0].lower() in IMAGES:
        level = _join(level, full[0])
        layout.classes = [ClassFolder("", level, "")]
    else:
        return None
    if level:
        layout.remarks.append(f"Read from `{printable(level)}`, the only folder with images.")
    return layout


def _say_loose(tree: _Tree, path: str, layout: FolderLayout) -> None:
    """Counts images that lie beside class folders."""
    if loose := tree.look(path)[2]:
        where = f"`{printable(path)}`" if path else "the data folder itself"
        are = "images lie" if loose > 1 else "image lies"
        layout.remarks.append(f"{loose} {are} directly in {where}, in no class folder: left out.")


def _say_left(tree: _Tree, layout: FolderLayout, first: int) -> None:
    """Names folders with images that are not splits and so are left out."""
    left: dict[str, list[str]] = {}
    for fault in layout.faults[first:]:
        if fault.reason.startswith(_LEFT) and tree.full(fault.path):
            left.setdefault(fault.reason.removeprefix(_LEFT), []).append(fault.path)
    for reason, paths in left.items():
        folders = ", ".join(f"`{printable(p)}`" for p in paths[:4]) + (" …" if paths[4:] else "")
        many = f"{len(paths)} folders with images are" if paths[1:] else "A folder with images is"
        layout.cautions.append(
            f"{many} left out, {folders}: {reason}. To use them, put each class into the folder of "
            "its split; a class named like a split needs another name."
        )


def _say_deep(tree: _Tree, layout: FolderLayout) -> None:
    """Names class folders in which there are only folders."""
    deep = [
        c.path for c in layout.classes if not tree.images(c.path) and tree.fulls(c.path)
    ]  # fmt: skip
    if not deep:
        return
    inside = tree.fulls(deep[0])
    folders = ", ".join(printable(f) for f in inside[:4]) + (" …" if len(inside) > 4 else "")
    many = f"{len(deep)} class folders hold" if len(deep) > 1 else "One class folder holds"
    layout.cautions.append(
        f"{many} only folders, as `{printable(deep[0])}` ({folders}): all images below are of the "
        "one class. If the folders inside are the classes, give the folder above them."
    )


def _checked(layout: FolderLayout, tree: _Tree, level: str) -> FolderLayout:
    top = tree.full_path(level)
    if not layout.classes:
        raise DataError(
            "A data folder holds images, in one folder per class where they are labeled; "
            f"{printable(top)} holds neither. Give the folder that does."
        )
    names = sorted({c.name for c in layout.classes})
    small = {n.lower() for n in names}
    if small & NO_CLASSES and small & IMAGES:
        raise DataError(
            f"{printable(top)} holds {'/ and '.join(map(printable, names[:5]))}/, a data set for "
            "segmentation or detection; only classification is supported here. Give a folder of "
            "class folders."
        )
    if level:
        layout.remarks.append(f"Read from `{printable(level)}`, the only folder with images.")
    if level not in layout.splits and not any(c.path == level for c in layout.classes):
        _say_loose(tree, level, layout)
    _say_deep(tree, layout)
    _one_name(layout)
    return layout


def _one_name(layout: FolderLayout) -> None:
    """Names that differ in case or Unicode form only become one."""
    forms: dict[str, Counter[tuple[bool, str]]] = {}
    for c in layout.classes:
        name = unicodedata.normalize("NFC", c.name).strip() or c.name
        forms.setdefault(class_key(c.name), Counter())[(c.role not in ("", "train"), name)] += 1
    letters = [k for k, f in forms.items() if len(k) == 1 and len({n for _, n in f}) > 1]
    chosen = {key: min(spellings)[1] for key, spellings in forms.items()}
    if (
        len(letters) > 2
    ):  # an alphabet in capitals and small letters: these are classes of their own
        for key in letters:
            del chosen[key]
        layout.remarks.append("Names that differ in case are separate classes.")
    merged = []
    for key, name in chosen.items():
        raw = sorted({c.name for c in layout.classes if class_key(c.name) == key})
        if len(raw) > 1:
            merged.append(f"{' and '.join(spelled(raw))} are one class, `{printable(name)}`")
    if merged:
        layout.remarks.append(
            "; ".join(merged)
            + ": names that differ only in case, Unicode form or surrounding spaces are one class."
        )
    layout.classes = [
        ClassFolder(c.role, c.path, chosen.get(class_key(c.name), c.name)) for c in layout.classes
    ]
