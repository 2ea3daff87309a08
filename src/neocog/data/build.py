"""From files to a finished set: look, decode, compare, split, write, describe.

A set is named after the content of its files, the wish and the version of the decoder, so that it
never has to be checked again; `starts` remember which set belongs to an unchanged path, so that a
second start lists the folder and reads nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from neocog.data.array_writer import ArrayWriter
from neocog.data.arrays import Arrays, Part, files_of, picked_of, read_arrays
from neocog.data.cache import Cache, Loaded
from neocog.data.digits import read_digits
from neocog.data.duplicates import LEAST_SIDE
from neocog.data.folder import Listing, scan
from neocog.data.framing import kept_of
from neocog.data.image_decode import fit_all
from neocog.data.kept import read_outline, read_rows
from neocog.data.load_options import LoadOptions, usual_size
from neocog.data.quality import UNUSABLE_CLASS, Fault, Note, Sheet
from neocog.data.ranges import nothing_to_see, pale_notes
from neocog.data.reading import RECORD, decode_into, inspect, notes, same_pixels, traits_of
from neocog.data.sort import RawSamples, sort_pile
from neocog.data.split import ROLES, JoinedNames, PathNames, RowNames, Split, ids_of
from neocog.data.ticks import Ticks
from neocog.errors import DataError, UsageError, printable
from neocog.files import opened

__all__ = ["Built", "build_arrays", "build_digits", "build_folder", "look_at_folder"]

VERSION = 10
"""Of everything between a file and its pixels and split; raised when any of it changes."""
DIGITS_SIZE = 256
"""Largest side, in pixels, at which the built-in digits are served."""
_SETTLED = 2_000_000_000
"""Nanoseconds after which the times of a file show whether it changed."""

Progress = Callable[[int, int], None] | None
_Part = tuple[np.ndarray, Sequence[str], np.ndarray]
"""Class numbers, names and ids of the samples of a split."""


@dataclass(frozen=True)
class Built:
    """A finished set: its name, its splits, all of them as one, and its sheet.

    `decode` is there where no image is decoded yet: it decodes some rows of the whole.
    """

    key: str
    splits: dict[str, Split]
    whole: Split
    sheet: Sheet
    decode: Callable[[np.ndarray], list[str]] | None = None


def build_digits(options: LoadOptions) -> Built:
    """The digits built in; small enough to need no cache."""
    if options.size and max(options.size) > DIGITS_SIZE:
        raise UsageError(
            f"The built-in digits have 28 pixels per side and are enlarged to {DIGITS_SIZE} at "
            f"most; got size={options.size}. Leave the size out."
        )
    x, y, parts = read_digits()
    ids = ids_of(x)
    if options.part:
        parts = {s: rows if s == options.part else rows[:0] for s, rows in parts.items()}
    x = fit_all(
        x,
        size=options.size or x.shape[1:3],
        channels=options.channels or 1,
        resize_mode=options.resize_mode,
    )
    splits, whole = _views(
        x[np.concatenate([parts[s] for s in ROLES])],
        {s: (y[parts[s]], RowNames("digits", parts[s]), ids[parts[s]]) for s in ROLES},
    )
    classes = tuple(str(d) for d in range(10))
    sheet = Sheet(
        kind="digits",
        classes=classes,
        counts={
            s: tuple(np.bincount(p.y, minlength=10).tolist())
            for s, p in splits.items()
            if options.part in ("", s)
        },
        size=x.shape[1:3],
        channels=x.shape[3],
        bits=8,
        **_sizes(
            np.full(len(whole), 28), np.full(len(whole), 28), replace(options, size=x.shape[1:3])
        ),
        remarks=(
            "5,000 digits of MNIST, 500 of each, in a fixed split; no two of them are equal.",
        ),
        found_splits=ROLES,
    )
    return Built(
        _hash(
            "digits",
            VERSION,
            x.shape,
            options.resize_mode if x.shape[1:3] != (28, 28) else "",
            *filter(None, (options.part,)),
        ),
        splits,
        whole,
        sheet,
    )


def build_folder(
    path: Path, *, options: LoadOptions, progress: Progress = None, later: int | None = None
) -> Built:
    """A folder of class folders, or of images without labels.

    Args:
        path: of the folder.
        options: how it is opened.
        progress: called with (steps done, steps in all).
        later: of a folder of more images than these none is decoded, unless it was once.

    Raises:
        DataError: it holds nothing that can be used, or, when strict, something that cannot.
    """
    cache, now = Cache(), time.time_ns()
    listing = _listed(path, options)
    start = _hash(listing.signature(), options.tag(), VERSION, _decoder())
    if (name := cache.start(start)) and (done := _open(cache.load(name), name)):
        return _strictly(done, options)
    tick = Ticks(2 * len(listing.names), progress)
    table, reasons = _look(cache, listing, now, tick)
    if options.strict:
        _stop_at([*listing.faults, *_faults(listing, reasons)])
    rows = [i for i in range(len(listing.names)) if i not in reasons]
    if not rows:
        raise _nothing(listing.root, [*listing.faults, *_faults(listing, reasons)])
    full = _settle(options, table[rows])
    key = _hash(
        "folder", listing.names,
        table["sha"].tobytes(), listing.classes, listing.label, listing.role,
        listing.faults, [*listing.remarks, *listing.cautions], full.tag(), VERSION, _decoder(),
    )  # fmt: skip
    done = _open(cache.load(key), key)
    if done is None and later is not None and len(rows) > later:
        tick.finish()
        return _outlined(cache, key, listing, table, rows, full, reasons, progress)
    if done is None:

        def fill(writer: ArrayWriter) -> None:
            sheet = _decode(writer, listing, table, rows, full, reasons, tick)
            writer.meta = {"sheet": sheet.to_json(), "names": dict.fromkeys(ROLES, "paths")}

        done = _opened(cache.make(key, fill), key)
    tick.finish()
    if listing.changed(now).max(initial=0) < now - _SETTLED:
        cache.remember(start, key)
    return _strictly(done, options)


def build_arrays(
    path: Path, files: Sequence[Path], *, kind: str, options: LoadOptions, progress: Progress = None
) -> Built:
    """Files that hold arrays.

    Raises:
        DataError: they are damaged, do not fit together, or hold nothing.
    """
    cache, now, pick = Cache(), time.time_ns(), picked_of(path)
    stats = [f.stat() for f in files]
    seen = [
        (str(f), s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino)
        for f, s in zip(files, stats, strict=True)
    ]
    start = _hash("arrays", os.path.realpath(path), seen, options.tag(), VERSION, _decoder())
    if (name := cache.start(start)) and (done := _open(cache.load(name), name)):
        return done
    tick = Ticks(3, progress)
    digests = []
    for file in files:
        with opened(file, what="A file of arrays") as open_file:
            seen_bytes = sha256()
            while block := open_file.read(1 << 22):
                seen_bytes.update(block)
        digests.append((file.name, seen_bytes.hexdigest()))
    named = [pick] if pick else []
    content = _hash(kind, digests, *named, options.tag(), VERSION, _decoder())
    tick(1)
    key = cache.start(content) or ""
    done = _open(cache.load(key), key) if key else None
    if done is None:
        arrays = read_arrays(kind, list(files), pick=pick, values=options.values)
        if options.part:
            arrays = _part_of(arrays, path, list(files), kind, options)
        tick(1)
        full = _settle_arrays(options, arrays)
        key = _hash(kind, digests, *named, full.tag(), VERSION, _decoder())
        done = _open(cache.load(key), key) or _write_arrays(cache, key, arrays, kind, full)
        cache.remember(content, key)
    tick.finish()
    times = [(s.st_mtime_ns, s.st_ctime_ns) for s in stats]
    if max(c if m > now else max(m, c) for m, c in times) < now - _SETTLED:
        cache.remember(start, key)
    return done


# ---- folders


def look_at_folder(path: Path) -> np.ndarray | None:
    """What is known of the images of a folder without decoding them at a size, a `RECORD` each.

    Returns:
        None where it holds arrays, or no image that can be used.
    """
    if files_of(path) is not None:
        return None
    cache, now, listing = Cache(), time.time_ns(), scan(path)
    table, reasons = _look(cache, listing, now, Ticks(len(listing.names), None))
    good = [i for i in range(len(listing.names)) if i not in reasons]
    return table[good] if good else None


def _listed(path: Path, options: LoadOptions) -> Listing:
    """The files of a folder, or those of one split: the user's own, else a random one."""
    listing = scan(path)
    if not options.part:
        return listing
    rows = [i for i, role in enumerate(listing.role) if role == options.part]
    if not rows:
        drawn = build_folder(path, options=replace(options, part="")).splits[options.part]
        known = set(drawn.names)
        rows = [i for i, name in enumerate(listing.names) if name in known]
    if not rows:
        raise _no_part(path, options)
    return listing.part(rows, options.part)


def _no_part(path: Path, options: LoadOptions) -> DataError:
    return DataError(
        f"`{printable(path)}` must have samples in the split `{options.part}`, and has none. "
        "Name another, or leave it out."
    )


def _look(
    cache: Cache, listing: Listing, now: int, tick: Callable[[int], None]
) -> tuple[np.ndarray, dict[int, str]]:
    key = _hash("index", listing.root, VERSION, _decoder())
    table, reasons = inspect(listing, cache.index(key, RECORD), tick=tick)
    settled = (table["height"] > 0) & (listing.changed(now) < now - _SETTLED)
    if settled.any():
        cache.write_index(key, table[settled])
    return table, reasons


def _decode(
    writer: ArrayWriter,
    listing: Listing,
    table: np.ndarray,
    rows: list[int],
    options: LoadOptions,
    reasons: dict[int, str],
    tick: Callable[[int], None],
) -> Sheet:
    """Decodes the files of some rows of the table, and puts them into their splits."""
    size, channels = options.size or (0, 0), options.channels or 0
    dtype = np.dtype(np.uint16 if (table["bits"][rows] == 16).any() else np.uint8)
    with writer.scratch((len(rows), *size, channels), dtype) as x:
        failed = decode_into(
            x, listing, rows=rows, channels=channels, resize_mode=options.resize_mode, tick=tick
        )
        faults = [*listing.faults, *_faults(listing, {**reasons, **failed})]
        if options.strict:
            _stop_at(faults)
        if len(failed) == len(rows):
            raise _nothing(listing.root, faults)
        return _sorted(writer, listing, table, rows, options, reasons, failed, x)


def _sorted(
    writer: ArrayWriter,
    listing: Listing,
    table: np.ndarray,
    rows: list[int],
    options: LoadOptions,
    reasons: dict[int, str],
    failed: dict[int, str],
    x: np.ndarray,
    *,
    decoded: bool = True,
) -> Sheet:
    """Puts decoded files, or files that are decoded later, into their splits."""
    faults = [*listing.faults, *_faults(listing, {**reasons, **failed})]
    keep = np.array([j for j, i in enumerate(rows) if i not in failed], np.int64)
    good = [rows[j] for j in keep.tolist()]
    present, y = np.unique([listing.label[i] for i in good], return_inverse=True)
    classes = tuple(listing.classes[k] for k in present.tolist() if k >= 0)
    absent = _unusable_classes(listing, classes, {**reasons, **failed})
    pile = RawSamples(
        x=x,
        rows=keep,
        y=y.astype(np.int64),
        names=PathNames.of([listing.names[i] for i in good]),
        roles=[listing.role[i] for i in good],
        classes=classes,
        ids=table["sha"][good].copy().view("<u8").reshape(len(good), 4)[:, 0].astype(np.uint64),
        traits=traits_of(table[good]),
        rich=np.minimum(table["height"][good], table["width"][good]) >= LEAST_SIDE,
        equal=lambda a, b: same_pixels(listing, table, good[a], good[b]),
        mix=True,
        cut_test=options.cut_test,
        part=options.part,
        decoded=decoded,
    )
    sheet = sort_pile(writer, pile, kind="folder", seed=options.seed).sheet
    clear = table["alpha"][good] > 0
    blank, pixel_cautions = nothing_to_see(x, keep, clear) if decoded else ([], [])
    noted = notes(listing, table, rows=good) | pale_notes([listing.names[good[j]] for j in blank])
    return replace(
        sheet,
        **_sizes(table["height"][good], table["width"][good], options),
        faults=(*faults, *absent),
        remarks=(*listing.remarks, *sheet.remarks),
        cautions=(*listing.cautions, *pixel_cautions),
        notes=tuple(Note(r, tuple(p)) for r, p in noted.items()),
    )


def _outlined(
    cache: Cache,
    key: str,
    listing: Listing,
    table: np.ndarray,
    rows: list[int],
    options: LoadOptions,
    reasons: dict[int, str],
    progress: Progress,
) -> Built:
    """The same set without pixels, which are decoded for the requested rows.

    The fingerprint is that of the whole set; the sheet lacks what only pixels show, and a caution
    that decoded pixels give says of how many images it speaks.
    """
    size, channels = options.size or (0, 0), options.channels or 0
    dtype = np.dtype(np.uint16 if (table["bits"][rows] == 16).any() else np.uint8)
    none = np.broadcast_to(np.zeros((), dtype), (len(rows), *size, channels))

    def outline(writer: ArrayWriter) -> None:
        sheet = _sorted(writer, listing, table, rows, options, reasons, {}, none, decoded=False)
        writer.put("x", np.zeros((0, *size, channels), dtype))
        writer.meta = {"sheet": sheet.to_json(), "names": dict.fromkeys(ROLES, "paths")}

    name = _hash(key, "outline")
    outlines = Cache(cache.folder, read=read_outline)
    meta, arrays = outlines.load(name) or outlines.make(name, outline)
    x = cache.room((len(rows), *size, channels), dtype)
    built = _opened((meta, {**arrays, "x": x}), key)
    files = {n: i for i, n in enumerate(listing.names)}
    listing.kept.clear()  # the closure would hold it as long as the set

    def decode(some: np.ndarray) -> list[str]:
        chosen = [files[built.whole.names[r]] for r in some.tolist()]
        tick = Ticks(len(chosen), progress)

        def fill(writer: ArrayWriter) -> None:
            part = np.empty((len(chosen), *size, channels), dtype)
            failed = decode_into(
                part, listing, rows=chosen, channels=channels, resize_mode=options.resize_mode,
                tick=tick,
            )  # fmt: skip
            if failed:
                raise DataError(
                    f"`{printable(listing.root)}` changed while being read "
                    f"({printable(next(iter(failed.values())))}). Start again."
                )
            writer.put("x", part)

        shape = (len(chosen), *size, channels)
        pixels = Cache(cache.folder, read=partial(read_rows, shape=shape))
        rows_key = _hash(key, "rows", chosen)
        x[some] = (pixels.load(rows_key) or pixels.make(rows_key, fill))[1]["x"]
        cautions = nothing_to_see(x, some, table["alpha"][chosen] > 0)[1]
        part = f"Of the {len(chosen):,} decoded images of {len(rows):,}: "
        return [part + caution for caution in cautions] if len(chosen) < len(rows) else cautions

    return replace(built, decode=decode)


def _settle(options: LoadOptions, table: np.ndarray) -> LoadOptions:
    """Size and channels, where the wish leaves them open."""
    channels = options.channels or (1 if (table["channels"] == 1).all() else 3)
    size = options.size or usual_size(table["height"], table["width"])
    return replace(options, size=size, channels=channels)


def _sizes(heights: np.ndarray, widths: np.ndarray, options: LoadOptions) -> dict[str, Any]:
    mode, size = options.resize_mode, options.size or (0, 0)
    pairs, count = np.unique(np.stack([heights, widths], 1), axis=0, return_counts=True)
    often = np.argsort(-count, kind="stable")[:10]
    area = pairs.prod(1, dtype=np.int64)
    low, high = pairs[area.argmin()].tolist(), pairs[area.argmax()].tolist()
    return {
        "found_sizes": tuple((*pairs[i].tolist(), int(count[i])) for i in often),
        "size_range": (tuple(low), tuple(high)),
        "kept": kept_of(heights, widths, size=size, resize_mode=mode),
        "resize_mode": mode,
    }


def _faults(listing: Listing, reasons: dict[int, str]) -> list[Fault]:
    return [Fault(listing.names[i], r) for i, r in sorted(reasons.items())]


def _unusable_classes(
    listing: Listing, classes: Sequence[str], reasons: dict[int, str]
) -> list[Fault]:
    """Classes without an image left: how many files each had, and why the first is none."""
    files: dict[str, list[int]] = {c: [] for c in listing.classes if c not in classes}
    for i, k in enumerate(listing.label):
        if k >= 0 and listing.classes[k] in files:
            files[listing.classes[k]].append(i)
    return [
        Fault(c, f"{UNUSABLE_CLASS} {len(own)} files can be used (the first: {reasons[own[0]]})")
        for c, own in files.items()
        if own  # else it is named as empty already
    ]


def _stop_at(faults: Sequence[Fault]) -> None:
    if faults:
        raise DataError(
            f"Strict reading requires every file to be readable; {printable(faults[0].path)} is "
            f"{faults[0].reason}"
            + (f", and {len(faults) - 1} more" if len(faults) > 1 else "")
            + ". Repair or remove it, or read without strict."
        )


def _strictly(done: Built, options: LoadOptions) -> Built:
    if options.strict:
        _stop_at(done.sheet.faults)
    return done


def _nothing(path: str, faults: Sequence[Fault]) -> DataError:
    why = (
        f" The first of {len(faults)}: {printable(faults[0].path)}, {faults[0].reason}."
        if faults
        else ""
    )
    return DataError(
        f"A data folder must contain readable images; none in {printable(path)} can be used."
        f"{why} Give a folder of images, or re-save these."
    )


# ---- arrays


def _part_of(
    arrays: Arrays, path: Path, files: list[Path], kind: str, options: LoadOptions
) -> Arrays:
    """The samples of one split: the user's own, else a random one."""
    own = tuple(p for p in arrays.parts if p.role == options.part)
    if not own:
        drawn = build_arrays(path, files, kind=kind, options=replace(options, part="")).splits[
            options.part
        ]
        assert isinstance(drawn.names, RowNames)
        own = tuple(
            Part(p.x[drawn.names.rows], p.y[drawn.names.rows], options.part)
            for p in arrays.parts
            if (p.role or "images") == drawn.names.prefix
        )
    if not sum(len(p.y) for p in own):
        raise _no_part(path, options)
    return replace(arrays, parts=own)


def _settle_arrays(options: LoadOptions, arrays: Arrays) -> LoadOptions:
    heights, widths = arrays.sizes()
    size = options.size or usual_size(heights, widths)
    first = arrays.parts[0].x
    channels = options.channels or first.shape[3]
    raw = arrays.raw
    if channels != first.shape[3] and (raw or {channels, first.shape[3]} != {1, 3}):
        single = first.shape[3] == 1 and sum(len(p.x) for p in arrays.parts) == channels
        how = (
            f"{channels} images of (H, W) were read: save a single image (C, H, W) as a batch of "
            "one, x[None]."
            if single
            else "Choose those that it takes."
        )
        raise DataError(
            f"The model takes images of {channels} channel{'s' * (channels > 1)}; those of the "
            f"arrays have {first.shape[3]}. {how}"
        )
    values = "raw" if raw else ""  # however they were understood
    return replace(options, size=size, channels=channels, values=values)


def _write_arrays(cache: Cache, key: str, arrays: Arrays, kind: str, options: LoadOptions) -> Built:
    size, channels = options.size or (0, 0), options.channels or 0
    pixels = [
        fit_all(p.x, size=size, channels=channels, resize_mode=options.resize_mode)
        for p in arrays.parts
    ]
    if any(p.dtype == np.uint16 for p in pixels):
        pixels = [p if p.dtype == np.uint16 else p.astype(np.uint16) * 257 for p in pixels]
    roles = [p.role for p in arrays.parts for _ in range(len(p.y))]
    own = [arrays.parts[k].x[i] for k, i in arrays.positions()]
    pile = RawSamples(
        x=np.concatenate(pixels) if len(pixels) > 1 else pixels[0],
        rows=np.arange(len(roles)),
        y=np.concatenate([p.y for p in arrays.parts]),
        names=RowNames("", np.concatenate([np.arange(len(p.y)) for p in arrays.parts])),
        roles=roles,
        classes=arrays.classes,
        ids=np.concatenate([ids_of(p.x) for p in arrays.parts]),
        traits=arrays.traits(),
        rich=(np.minimum(*arrays.sizes()) >= LEAST_SIDE) & (not arrays.raw),
        equal=lambda a, b: bool(np.array_equal(own[a], own[b])),
        mix=False,
        cut_test=options.cut_test,
        part=options.part,
    )

    def fill(writer: ArrayWriter) -> None:
        done = sort_pile(writer, pile, kind=kind, seed=options.seed)
        sheet = replace(
            done.sheet,
            **_sizes(*arrays.sizes(), options),
            remarks=(*arrays.remarks, *done.sheet.remarks),
            cautions=(*arrays.cautions, *nothing_to_see(pile.x, pile.rows, pile.rows < 0)[1]),
        )
        writer.meta = {"sheet": sheet.to_json(), "names": done.origin}

    return _opened(cache.make(key, fill), key)


# ---- sets


def _open(loaded: Loaded | None, key: str) -> Built | None:
    return None if loaded is None else _opened(loaded, key)


def _opened(loaded: Loaded, key: str) -> Built:
    meta, arrays = loaded
    parts: dict[str, _Part] = {}
    for s in ROLES:
        names: PathNames | RowNames
        if meta["names"][s] == "paths":
            names = PathNames(arrays[f"{s}-names"], arrays[f"{s}-ends"])
        else:
            names = RowNames(meta["names"][s], arrays[f"{s}-rows"])
        parts[s] = (arrays[f"{s}-y"], names, arrays[f"{s}-ids"])
    return Built(key, *_views(arrays["x"], parts), Sheet.from_json(meta["sheet"]))


def _views(x: np.ndarray, parts: Mapping[str, _Part]) -> tuple[dict[str, Split], Split]:
    """The splits, whose pixels lie one behind the other, and all of them: nothing is copied."""
    splits, at = {}, 0
    for s, (y, names, ids) in parts.items():
        splits[s] = Split(x[at : at + len(y)], y, names, ids)
        at += len(y)
    labels, called, known = zip(*parts.values(), strict=True)
    whole = Split(x, np.concatenate(labels), JoinedNames(called), np.concatenate(known))
    return splits, whole


def _hash(*parts: object) -> str:
    seen = blake2b(digest_size=20)
    for part in parts:
        raw = part if isinstance(part, bytes) else repr(part).encode("utf-8", "surrogateescape")
        seen.update(len(raw).to_bytes(8, "little") + raw)
    return seen.hexdigest()


def _decoder() -> str:
    """The library that decodes: another version may give other pixels."""
    return f"pillow {PIL.__version__}"
