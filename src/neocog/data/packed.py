"""Files of arrays (.npz, .npy, .gz), bounded before anything is unpacked.

A few megabytes may unpack to gigabytes, a header may promise more than there is, and a list of
contents may have no end. What a file declares is compared with its content, and with the
memory of the machine, first.

Sources: APPNOTE.TXT of the ZIP format; the NPY format (numpy.lib.format); RFC 1952.
"""

from __future__ import annotations

import contextlib
import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from neocog.errors import DataError, printable
from neocog.files import opened

__all__ = ["RATIO", "SMALL", "Npz", "check_room", "open_npz", "read_npy", "read_unpacked"]

RATIO = 200
"""How many times larger a file may become when it is unpacked, beyond `SMALL` bytes."""
SMALL = 1 << 26
_CONTENTS = 1 << 22
"""Bytes of the list of contents of an .npz, at most."""
_ARRAYS = 4096
_BLOCK = 1 << 22
_MEMBERS = 1000
_HEADER = 10_000
_KINDS = "biufcUS"
_WHAT = "A file of arrays"


class Npz:
    """The arrays of an open .npz, read one by one."""

    def __init__(self, held: zipfile.ZipFile, infos: dict[str, zipfile.ZipInfo], path: Path):
        self._held, self._infos, self._path = held, infos, path

    @property
    def names(self) -> list[str]:
        """Of the arrays, as they lie in the file."""
        return list(self._infos)

    def read(self, name: str) -> np.ndarray:
        """An array.

        Raises:
            DataError: it is damaged, or holds what is not a number, boolean or string.
        """
        info = self._infos[name]
        try:
            with self._held.open(info) as stream:
                return _read_array(stream, info.file_size)
        except DataError as e:
            raise _unreadable(self._path, f"`{printable(name)}` {e}") from e
        except MemoryError as e:
            raise _unreadable(self._path, "it does not fit into memory") from e
        except Exception as e:  # a reader may raise anything at damaged data
            raise _unreadable(self._path, f"{type(e).__name__}: {printable(str(e)[:200])}") from e


@contextlib.contextmanager
def open_npz(path: str | os.PathLike[str]) -> Iterator[Npz]:
    """The arrays of an .npz file.

    Args:
        path: of the file.

    Raises:
        DataError: it is not an .npz of plain arrays, damaged, or unpacks to more than there is
            room.
    """
    npz_path = Path(path)
    with opened(path, what=_WHAT) as file:
        try:
            _check_contents(file)
            held = zipfile.ZipFile(file)
            infos = {_plain_name(i.filename): i for i in held.infolist()}
            _check_infos(infos)
        except DataError as e:
            raise _unreadable(npz_path, str(e)) from e
        except Exception as e:  # a reader may raise anything at damaged data
            raise _unreadable(npz_path, f"{type(e).__name__}: {printable(str(e)[:200])}") from e
        with held:
            yield Npz(held, infos, npz_path)


def read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of an .npy file.

    Raises:
        DataError: it holds no plain array, is damaged, or larger than there is room.
    """
    with opened(path, what=_WHAT) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            check_room(size, size)
            return _read_array(file, size)
        except Exception as e:  # a reader may raise anything at damaged data
            why = str(e) if isinstance(e, DataError) else f"{type(e).__name__}: {str(e)[:200]}"
            raise DataError(
                f"{printable(path)} cannot be read as an .npy of a plain array (it "
                f"{printable(why)}). Save it with numpy.save."
            ) from e


def read_unpacked(file: BinaryIO, *, packed: bool) -> Iterator[bytes]:
    """The bytes of an open file in blocks; of a .gz those that are in it.

    Raises:
        DataError: it is not a .gz, or damaged.
    """
    if not packed:
        while block := file.read(_BLOCK):
            yield block
        return
    for _ in range(_MEMBERS):
        inner = zlib.decompressobj(31)
        while not inner.eof:
            rest = inner.unconsumed_tail or file.read(_BLOCK)
            try:
                block = inner.decompress(rest, _BLOCK)  # of nothing: what is still waiting inside
            except zlib.error as e:
                raise DataError(f"it is not an undamaged .gz: {e}") from e
            if block:
                yield block
            elif not rest:
                raise DataError("it is truncated")
        left = inner.unused_data.lstrip(b"\0")
        file.seek(-len(left), os.SEEK_CUR)
        if not left and not file.read(1):
            return
        file.seek(-1 if not left else 0, os.SEEK_CUR)
    raise DataError(f"it has more than {_MEMBERS:,} parts")


def check_room(need: int, packed: int) -> None:
    """Refuse what unpacks to more than is honest, or than the machine has room for.

    Args:
        need: bytes once they are unpacked.
        packed: bytes in the file.

    Raises:
        DataError: it is too much.
    """
    if need > SMALL and need > RATIO * packed:
        raise DataError(
            f"it unpacks from {packed:,} to {need:,} bytes, more than {RATIO} times as much"
        )
    if need > _memory() // 2:
        raise DataError(
            f"it unpacks to {need:,} bytes; this machine has {_memory():,} of memory, and half of "
            "that is taken at most"
        )


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on every system
        return 1 << 34


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"{printable(path)} cannot be read as an .npz of plain arrays ({why}). "
        "Save it with numpy.savez(x_train=…, y_train=…, x_test=…, y_test=…)."
    )


# ---- .npz


def _plain_name(name: str) -> str:
    return name.removesuffix(".npy")


def _check_contents(file: BinaryIO) -> None:
    """Refuse a list of contents that would take minutes, before it is read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 100))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        raise DataError("it is not a zip archive, or truncated")
    listed = int.from_bytes(tail[at + 12 : at + 16], "little")
    if (far := tail.rfind(b"PK\6\7", 0, at)) >= 0:
        where = int.from_bytes(tail[far + 8 : far + 16], "little")
        file.seek(min(where, size))
        listed = max(listed % 0xFFFFFFFF, int.from_bytes(file.read(56)[40:48], "little"))
    if listed > min(_CONTENTS, size):
        raise DataError(
            f"its list of contents has {listed:,} bytes, at most {_CONTENTS:,} are read"
        )
    file.seek(0)


def _check_infos(infos: dict[str, zipfile.ZipInfo]) -> None:
    if len(infos) > _ARRAYS:
        raise DataError(f"it holds {len(infos):,} arrays, at most {_ARRAYS:,} are read")
    for name, info in infos.items():
        if info.flag_bits & 1:
            raise DataError(f"`{printable(name)}` is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"`{printable(name)}` uses a compression that NumPy does not write")
        check_room(info.file_size, info.compress_size)
    total = sum(i.file_size for i in infos.values())
    check_room(total, sum(i.compress_size for i in infos.values()))


def _read_array(stream: IO[bytes], size: int) -> np.ndarray:
    """An array in the NPY format; what its header promises must be there, byte for byte."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"is in version {version[0]}.{version[1]} of the format")
    read: Any = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, turned, dtype = read(stream, max_header_size=_HEADER)
    if dtype.hasobject:
        raise DataError("holds pickled objects, which would execute code")
    if dtype.kind not in _KINDS or dtype.subdtype is not None or not dtype.itemsize:
        raise DataError(f"holds {printable(str(dtype)[:100])}, neither numbers nor strings")
    if not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 32:
        raise DataError("has a shape that is not a list of integers")
    need = math.prod(shape) * dtype.itemsize
    head = stream.tell()
    if head + need != size:
        raise DataError(f"says it has {head + need:,} bytes and has {size:,}")
    raw = np.empty(need, np.uint8)
    at = 0
    while at < need:
        block = stream.read(min(_BLOCK, need - at))
        if not block:
            raise DataError("is truncated")
        raw[at : at + len(block)] = np.frombuffer(block, np.uint8)
        at += len(block)
    stream.read(1)  # here the sum is checked
    flat: np.ndarray = raw.view(dtype)
    return flat.reshape(shape[::-1]).T if turned else flat.reshape(shape)
