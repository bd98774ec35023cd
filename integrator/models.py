"""From an entry of the campaign to files for the server: built or read, checked, hashed, kept by content."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
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

__all__ = ["NATIVE", "InputTemplate", "PrecisionMismatchError", "PreparedModel", "prepare"]

NATIVE = "native"

_WEIGHTS_BESIDE = {".xml": (".bin",), ".pdmodel": (".pdiparams",), ".json": (".pdiparams",)}
"""Formats that keep the weights in a second file of the same stem."""


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
        _try(built / "model.xml", name, inputs, batches)
    return _keep([built / "model.xml", built / "model.bin"], cache).as_model(name, wanted, inputs)


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
    try:
        facts = inspect_file(kept.folder / path.name)
        inputs = _templates(entry, facts)
        fits = precision in {NATIVE, facts.precision}
        if not fits and (facts.precision, precision) != ("FP32", "FP16"):
            raise PrecisionMismatchError(
                f"{entry.name} has {facts.precision} weights, which fleetmark does not turn into {precision}"
            )
        target = None if fits else _half_precision(entry.name, kept, cache)
        _try(kept.folder / path.name, entry.name, inputs, batches, save_fp16=target)
    except ModelError as error:
        # The user knows the file under its own name.
        message = str(error).replace(str(kept.folder / path.name), str(path))
        raise type(error)(message, advice=error.advice) from error
    if target is None:
        return kept.as_model(entry.name, facts.precision, inputs)
    return _keep([target, target.with_suffix(".bin")], cache).as_model(entry.name, precision, inputs)


def _half_precision(name: str, kept: _Kept, cache: Path) -> Path:
    target = cache / "built" / f"{name}-fp16-{kept.sha256[:16]}" / "model.xml"
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _templates(entry: ModelEntry, facts: FileFacts) -> tuple[InputTemplate, ...]:
    names = [found.name for found in facts.inputs]
    refuse_unknown(entry, names)
    templates = []
    for found in facts.inputs:
        values = entry.inputs.get(found.name) or _default_range(found.element_type)
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


def _default_range(element_type: str) -> InputRange:
    return InputRange(low=0, high=2 if element_type[0] in "iu" else 1)


def _files_of(entry: ModelEntry, path: Path) -> list[Path]:
    beside = [path.with_suffix(suffix) for suffix in _WEIGHTS_BESIDE.get(path.suffix.lower(), ())]
    files = {file.name: file for file in (path, *beside, *entry.files) if file.is_file()}
    return list(files.values())


def _save(model: ov.Model, folder: Path, precision: str) -> None:
    """Write a model as IR; the folder is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        ov.save_model(model, Path(temporary) / "model.xml", compress_to_fp16=precision == "FP16")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(temporary, folder)


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


def _keep(files: Sequence[Path], cache: Path) -> _Kept:
    """Copy a model's files, the one that OpenVINO reads first, unless they are there already."""
    entries = tuple(
        ModelFile(name=file.name, size=file.stat().st_size, sha256=_sha256(file)) for file in files
    )
    sha256 = model_sha256({entry.name: entry.sha256 for entry in entries})
    folder = cache / "models" / sha256
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            for file in files:
                shutil.copyfile(file, Path(temporary) / file.name)
            shutil.copytree(temporary, folder, dirs_exist_ok=True)
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
