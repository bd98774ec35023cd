"""From an entry of the campaign to files for the server: built or read, checked, hashed, kept by content."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from integrator.config import InputRange, ModelEntry
from integrator.model_file import FileFacts, InputFacts, inspect_file
from integrator.model_inputs import (
    InputTemplate,
    preprocessing_of,
    refuse_unknown,
    with_batch,
    with_preprocessing,
)
from integrator.topologies import TOPOLOGIES, build
from protocol.documents import canonical_json
from protocol.engine import openvino as ov
from protocol.errors import ModelError
from protocol.job import Input, ModelFile, ModelRef
from protocol.layout import FILE_NAME

__all__ = ["NATIVE", "InputTemplate", "PrecisionMismatchError", "PreparedModel", "prepare"]

NATIVE = "native"

_WEIGHTS_BESIDE = {".xml": (".bin",), ".pdmodel": (".pdiparams",)}
"""Formats that keep the weights in a second file of the same stem."""
_FILLED = ("f16", "bf16", "f32", "f64", "boolean")
"""The types beside integers that an agent can fill."""


class PrecisionMismatchError(ModelError):
    """A file cannot be measured in the precision that the campaign asks for."""


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model ready to be put on the server."""

    ref: ModelRef
    folder: Path
    """Holds the files of `ref`."""
    inputs: tuple[InputTemplate, ...]

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.ref.files)

    def with_batch(self, batch: int) -> tuple[Input, ...]:
        """The inputs at a batch size.

        Raises:
            ModelError: the model has no batch dimension.
        """
        return with_batch(self.ref.name, self.inputs, batch)

    @property
    def preprocess(self) -> str:
        """What is done with what is fed, as canonical JSON; empty where nothing is."""
        steps = {entry.name: entry.preprocess.model_dump() for entry in self.inputs if entry.preprocess}
        return canonical_json(steps).decode() if steps else ""


def prepare(entry: ModelEntry, precision: str, batches: Collection[int], cache: Path) -> PreparedModel:
    """Build or read a model, and see that it takes each of the batch sizes.

    Its files are kept in `cache`, each model in a folder named by its hash.

    Raises:
        PrecisionMismatchError: the file has other weights than `precision` asks for.
        ModelError: OpenVINO cannot read the file, its shapes are open, or a batch does not fit.
    """
    if entry.path is None:
        return _builtin(entry, precision, batches, cache)
    return _from_file(entry, entry.path, precision, batches, cache)


def _builtin(entry: ModelEntry, precision: str, batches: Collection[int], cache: Path) -> PreparedModel:
    name = entry.name
    topology = TOPOLOGIES[name]
    wanted = "FP32" if precision == NATIVE else precision
    built = cache / "built" / _recipe(name, wanted)
    if not (built / "model.xml").exists():
        _save(build(name), built, wanted)
    inputs = tuple(
        InputTemplate(i.name, (None, *i.shape[1:]), i.element_type, i.low, i.high) for i in topology.inputs
    )
    if entry.preprocess:
        refuse_unknown(entry, [template.name for template in inputs])
        inputs = tuple(with_preprocessing(entry, template) for template in inputs)
        _try(built / "model.xml", entry.name, inputs, batches)
    files = {name: built / name for name in ("model.xml", "model.bin")}
    return _keep(files, cache).as_model(topology.name, wanted, inputs)


def _try(
    file: Path,
    name: str,
    inputs: Sequence[InputTemplate],
    batches: Collection[int],
    *,
    save_fp16: Path | None = None,
) -> None:
    """See that a model takes each of the batch sizes, with what is done with its inputs first."""
    sets = [with_batch(name, inputs, batch) for batch in sorted(batches)]
    reshape = [[list(i.preprocess.model_shape if i.preprocess else i.shape) for i in given] for given in sets]
    steps = [[preprocessing_of(i) for i in given] for given in sets]
    inspect_file(file, reshape=reshape, preprocess=steps, save_fp16=save_fp16)


def _recipe(name: str, precision: str) -> str:
    """What decides the bytes of a built-in model: its name, the code that builds it, who writes it."""
    code = Path(__file__).parent / "topologies"
    sources = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in code.glob("*.py")}
    digest = hashlib.sha256(canonical_json([name, precision, sources, ov.__version__])).hexdigest()
    return f"{name}-{precision.lower()}-{digest[:16]}"


def _from_file(
    entry: ModelEntry, path: Path, precision: str, batches: Collection[int], cache: Path
) -> PreparedModel:
    # What is inspected is what an agent will have: the model's files, and nothing beside them.
    kept = _keep(_files_of(entry, path), cache)
    file = kept.folder / kept.files[0].name
    try:
        facts = inspect_file(file)
        inputs = _templates(entry, facts)
        fits = precision in {NATIVE, facts.precision}
        if not fits and (facts.precision, precision) != ("FP32", "FP16"):
            raise PrecisionMismatchError(
                f"{entry.name} has {facts.precision} weights, which fleetmark does not turn into {precision}"
            )
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            half = Path(scratch) / "model.xml"
            _try(file, entry.name, inputs, batches, save_fp16=None if fits else half)
            if not fits:
                kept = _keep({"model.xml": half, "model.bin": half.with_suffix(".bin")}, cache)
    except ModelError as error:
        # The user knows the file under its own name.
        raise type(error)(str(error).replace(str(file), str(path)), advice=error.advice) from error
    return kept.as_model(entry.name, facts.precision if fits else precision, inputs)


def _templates(entry: ModelEntry, facts: FileFacts) -> tuple[InputTemplate, ...]:
    names = [found.name for found in facts.inputs]
    refuse_unknown(entry, names)
    templates = []
    for found in facts.inputs:
        values = entry.inputs.get(found.name) or _default_range(found.element_type)
        _check_range(entry, found, values)
        shape = _shape(entry, found)
        template = InputTemplate(found.name, shape, found.element_type, values.low, values.high)
        templates.append(with_preprocessing(entry, template))
    return tuple(templates)


def _shape(entry: ModelEntry, found: InputFacts) -> tuple[int | None, ...]:
    if found.name in entry.shapes:
        return tuple(None if n == "N" else int(n) for n in entry.shapes[found.name])
    advice = f"Give its shape in the campaign: shapes: {{{found.name}: [N, …]}}"
    if found.shape is None:
        raise ModelError(f"{entry.name}: input {found.name} has an open number of dimensions", advice=advice)
    if None in found.shape[1:]:
        shown = ", ".join("?" if n is None else str(n) for n in found.shape)
        raise ModelError(f"{entry.name}: input {found.name} has open dimensions [{shown}]", advice=advice)
    # The first dimension is taken for the batch, as in every format that OpenVINO reads; a vector has none.
    return (None, *found.shape[1:]) if len(found.shape) > 1 or None in found.shape else tuple(found.shape)


def _check_range(entry: ModelEntry, found: InputFacts, values: InputRange) -> None:
    """An agent fills an input by numpy, and must not be the first to find that it cannot."""
    where = f"{entry.name}: input {found.name} of type {found.element_type}"
    integer = re.fullmatch(r"([iu])(8|16|32|64)", found.element_type)
    if integer:
        signed, bits = integer[1] == "i", int(integer[2])
        low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
        if not (low <= values.low and values.high <= high):
            raise ModelError(
                f"{where} holds {low} to {high - 1}, not {values.low:g} to below {values.high:g}"
            )
        if int(values.low) != values.low or int(values.high) != values.high:
            raise ModelError(f"{where} takes whole numbers for low and high")
    elif found.element_type not in _FILLED:
        raise ModelError(
            f"{where} cannot be filled with values", advice="Give the model an input of another type."
        )


def _default_range(element_type: str) -> InputRange:
    return InputRange(low=0, high=2 if element_type[0] in "iu" else 1)


def _files_of(entry: ModelEntry, path: Path) -> dict[str, Path]:
    """A model's files by the names they travel under, the one that OpenVINO reads first.

    That one and its weights are called `model`, so that a file is the same model under whatever name its
    user keeps it. Further files are referred to by their own names and keep them.

    Raises:
        ModelError: a further file has a name that cannot travel.
    """
    suffix = path.suffix.lower()
    files = {f"model{suffix}": path}
    for other in _WEIGHTS_BESIDE.get(suffix, ()):
        if path.with_suffix(other).is_file():
            files[f"model{other}"] = path.with_suffix(other)
    for file in entry.files:
        if file.name in files or not re.fullmatch(FILE_NAME, file.name):
            raise ModelError(
                f"{file}: cannot travel under this name",
                advice="Use letters, digits, _, ., + and -, and no name that begins with model.",
            )
        files[file.name] = file
    return files


def _save(model: ov.Model, folder: Path, precision: str) -> None:
    """Write a model as IR; the folder is there whole or not at all."""
    with _appearing(folder) as building:
        ov.save_model(model, building / "model.xml", compress_to_fp16=precision == "FP16")


@contextlib.contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder to fill that takes its place at the end, whole, unless another process was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        building = Path(temporary) / "building"
        building.mkdir()
        yield building
        with contextlib.suppress(OSError):  # the other one's is as good
            building.rename(folder)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A model's files in a folder of their own, named by what they are."""

    folder: Path
    sha256: str
    files: tuple[ModelFile, ...]
    """The one that OpenVINO reads comes first."""

    def as_model(self, name: str, precision: str, inputs: tuple[InputTemplate, ...]) -> PreparedModel:
        ref = ModelRef(
            name=name, precision=precision, sha256=self.sha256, entry=self.files[0].name, files=self.files
        )
        return PreparedModel(ref, self.folder, inputs)


def _keep(files: Mapping[str, Path], cache: Path) -> _Kept:
    """Copy a model's files, given by the names they get, unless they are there already."""
    entries = tuple(
        ModelFile(name=name, size=file.stat().st_size, sha256=_sha256(file)) for name, file in files.items()
    )
    sha256 = model_sha256({entry.name: entry.sha256 for entry in entries})
    folder = cache / "models" / sha256
    if not folder.exists():
        with _appearing(folder) as building:
            for name, file in files.items():
                shutil.copyfile(file, building / name)
    return _Kept(folder, sha256, entries)


def model_sha256(hashes: Mapping[str, str]) -> str:
    """A model's hash from those of its files: the one file's, or that of their sorted `sha256sum` listing."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
