"""What the names of files and folders say: splits, classes, images, or nothing of the user's."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from neocog.errors import printable

__all__ = [
    "ENDINGS",
    "IMAGES",
    "NO_CLASSES",
    "NO_IMAGES",
    "class_key",
    "hidden",
    "role_of",
    "roles_of",
    "spelled",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SILENT = frozenset(
    [
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "picasa.ini",
        "__macosx", "__pycache__", "@eadir", "@tmp", "@__thumb", "@recycle", "@recently-snapshot",
        "#recycle", "#snapshot", "$recycle.bin", "recycler", "recycled", "found.000",
        "system volume information", "lost+found", "network trash folder", "temporary items",
        "thevolumesettingsfolder", "thefindbycontentfolder",
    ]
)  # fmt: skip
"""Names, in small letters, of what systems and storage devices keep beside the data of users."""

_ROLES = {
    "train": "train training trn",
    "val": "val valid validation validate vali dev devel development",
    "test": "test testing tests tst holdout heldout",
    "eval": "eval evaluation",
}
_WORDS = {word: role for role, words in _ROLES.items() for word in words.split()}
_FILLERS = _words(
    "seg img imgs image images pic pics image images photo photos data dataset set sets split "
    "splits sample samples jpg jpeg jpegs png pngs raw folder"
)
NO_CLASSES = _words(
    "annotation annotations label labels mask masks trimaps xmls imagesets segmentationclass "
    "segmentationobject bboxes groundtruth ground_truth gt"
)
"""Folders that stand beside images, in sets for segmentation or detection."""
IMAGES = _words("images image imgs img jpegimages jpegs pics images photos inputs")
"""What the folder beside those is called."""
ENDINGS = _words(".jpg .jpeg .jpe .jfif .png .gif .bmp .tif .tiff .webp .ppm .pgm .pbm .pnm")
NO_IMAGES = _words(
    ".txt .csv .tsv .json .xml .yaml .yml .toml .md .rst .pdf .html .htm .py .ipynb .r .m .mat "
    ".npy .npz .pkl .pickle .h5 .hdf5 .db .ini .log .doc .docx .xls .xlsx .zip .tar .gz .tgz .rar "
    ".7z .bin .pt .pth .onnx .safetensors .sh .bat .mp4 .avi .mov .wav .mp3"
)
"""Endings of files that are taken for no image when it is decided which folders hold some."""


def hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's: hidden, or kept by a system or a device.

    Example:
        >>> [hidden(n) for n in ("@eaDir", "._1.jpg", "Thumbs.db", "daisy")]
        [True, True, True, False]
    """
    return name[0] == "." or name.lower() in _SILENT


def class_key(name: str) -> str:
    """Equal for names that differ in case, in the form of their Unicode or in outer blanks only.

    Example:
        >>> class_key("Caf" + chr(233)) == class_key("cafe" + chr(0x301))
        True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()


def role_of(name: str) -> str:
    """The split that a folder of this name holds: train, val, test, eval, or "" for none.

    Example:
        >>> [role_of(n) for n in ("Training", "seg_test", "trainset", "train2017", "trains")]
        ['train', 'test', 'train', 'train', '']
    """
    parts = [p for p in re.split(r"[\W_]+|(?<=\D)(?=(?:19|20)\d\d$)", name.lower()) if p]
    parts = [p for p in parts if not re.fullmatch(r"(19|20)\d\d", p)]
    roles = []
    for part in parts:
        if part in _WORDS:
            roles.append(_WORDS[part])
        elif part not in _FILLERS:
            fused = [
                role
                for word, role in _WORDS.items()
                if (part.startswith(word) and part[len(word) :] in _FILLERS)
                or (part.endswith(word) and part[: -len(word)] in _FILLERS)
            ]
            if not fused:
                return ""
            roles.append(fused[0])
    return roles[0] if len(roles) == 1 else ""


def roles_of(names: Sequence[str]) -> dict[str, str]:
    """The split of each folder that is one, also with a common word: pets_train, pets_test."""
    roles = {n: r for n in names if (r := role_of(n))}
    rest: dict[str, dict[str, str]] = {}
    for name in names:
        parts = re.split(r"[\W_]+", name.lower())
        roles_in_name = [p for p in parts if p in _WORDS]
        if len(roles_in_name) == 1:
            others = " ".join(p for p in parts if p not in _WORDS)
            rest.setdefault(others, {})[name] = _WORDS[roles_in_name[0]]
    for alike in rest.values():
        if "train" in alike.values() and len(set(alike.values())) > 1:
            roles |= alike
    free = "val" if "test" in roles.values() else "test"
    return {n: free if r == "eval" else r for n, r in roles.items()}


def spelled(names: Iterable[str]) -> list[str]:
    """Names in quotes, with the form of those that look alike."""
    names = list(names)
    alike = Counter(unicodedata.normalize("NFC", n) for n in names)
    out = []
    for name in names:
        form = ""
        if alike[unicodedata.normalize("NFC", name)] > 1:
            form = " (composed)" if unicodedata.is_normalized("NFC", name) else " (decomposed)"
        out.append(f"`{printable(name)}`{form}")
    return out
