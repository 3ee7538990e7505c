"""Fitting a workload to a shared basis: how close it comes, how well it does, and the file that holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imcsim.inputs import CALIBRATION_IMAGES, composing_data, own_data
from imcsim.plugins import load_plugins
from imcsim.resolve import resolve_workload
from simcore.errors import ConfigError, WorkloadError
from traces import BASIS_FILE, prepared_networks, read_basis, write_basis
from workloads import Dataset, Network, accuracy, float_outputs, golden_outputs, lower
from workloads.basis import BasisFit, BasisOptions
from workloads.basis.basis_options import TRAINING_DEFAULTS, TrainingOptions

#: How names of basis files end.
SUFFIX = ".npz"


@dataclass(frozen=True)
class FitEvaluation:
    """How a fitted network does on its own labelled test images.

    data : where the images come from
    known : images among them that it was trained with, which may flatter it
    baseline_accuracy : of the network before, None where its weights are not known
    accuracy : of the fitted weights in real numbers
    integer_accuracy : of the integers that machines compute on, activations of 8 bit
    """

    data: str
    images: int
    known: int
    baseline_accuracy: float | None
    accuracy: float
    integer_accuracy: float


@dataclass(frozen=True)
class LayerReport:
    """One layer's kernels.

    rows, kernels : of one group
    slices : that all kernels of a group are cut into
    error : root mean square of what the weights miss, in theirs; None if not known
    nonzeros : mean of a kernel slice
    largest_loads : kernels that use the busiest vector, by slice, those of the first group first
    """

    name: str
    groups: int
    rows: int
    kernels: int
    slices: int
    error: float | None
    nonzeros: float
    largest_loads: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class FitReport:
    """A network fitted to a basis.

    evaluation : None where there are no labelled images of its own
    """

    fit: BasisFit
    evaluation: FitEvaluation | None

    @property
    def layers(self) -> tuple[LayerReport, ...]:
        """All layers with weights, in order."""
        return tuple(self._layer(name) for name in self.fit.layers)

    @property
    def summary(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        fit = self.fit
        return {
            "schema": "imcsim.fit-basis/1",
            "workload": fit.network.name,
            "vectors": len(fit.basis.vectors),
            "rows": fit.basis.length,
            "vector_bits": fit.basis.bits,
            "bits": fit.bits,
            "origin": fit.origin,
            "error": fit.error,
            "kernel_slices": int(fit.histogram.sum()),
            "nonzeros_histogram": fit.histogram.tolist(),
            "evaluation": None if self.evaluation is None else asdict(self.evaluation),
            "layers": [asdict(layer) | {"largest_loads": list(layer.largest_loads)} for layer in self.layers],
        }

    def _layer(self, name: str) -> LayerReport:
        layer, node = self.fit.layers[name], self.fit.node(name)
        slices, kernels, _ = layer.coefficients.values.shape
        return LayerReport(
            name=name,
            groups=node.groups,
            rows=node.rows,
            kernels=kernels,
            slices=slices // node.groups,
            error=layer.error,
            nonzeros=layer.coefficients.nonzeros / (slices * kernels),
            largest_loads=tuple(layer.loads().max(axis=1).tolist()),
        )


def fit_workload(
    workload: str | Path | Network,
    out: str | Path | None = None,
    *,
    rows: int | None = None,
    vectors: int | None = None,
    vector_bits: int | None = None,
    bits: int | None = None,
    nonzeros: int | None = None,
    spread: float | None = None,
    rounds: int | None = None,
    train: bool = False,
    contest: float | None = None,
    data: str | Path | Dataset | None = None,
    plugins: Sequence[str | Path] = (),
    observe: Callable[[str], None] = lambda what: None,
) -> FitReport:
    """Fit a network to a shared basis and write it to `out`, or show one that is fitted already.

    workload : as for `imcsim.run`; one that is fitted, such as a file that this wrote, is shown as it is
    rows, vectors, vector_bits : elements of a basis vector, how many there are, and bits of an element
    bits, nonzeros : of a coefficient, and how many of a kernel slice are not zero at most
    spread : part of its energy that a slice forgoes for each kernel too many on a vector
    rounds : of better bases; unless given, all is as `BasisOptions` has it
    train : whether to train further what was fitted, which needs PyTorch
    contest : weight of contests in training, as in `TrainingOptions`
    data : labelled images to train with; a network's own training images unless given
    raises : SimError
    """
    load_plugins(plugins)
    named = {
        "length": rows,
        "vectors": vectors,
        "vector_bits": vector_bits,
        "bits": bits,
        "nonzeros": nonzeros,
        "spread": spread,
        "rounds": rounds,
    }
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if (shown := _fitted_already(workload)) is not None:
        if out is not None or given or train:
            raise ConfigError(
                f"{workload} is fitted already: it can be shown, but not be written or fitted otherwise; fit "
                "its network anew"
            )
        return FitReport(shown, _evaluated(shown, None))
    options = BasisOptions(**given)
    if not train and (contest is not None or data is not None):
        raise ConfigError("contest and data are of training, which was not asked for; see --train")
    training = TRAINING_DEFAULTS if contest is None else TrainingOptions(contest=contest)
    if out is not None:
        BASIS_FILE.check_place(out)
    network = resolve_workload(workload).network
    if not network.has_parameters:
        raise WorkloadError(
            f"{network.name} is structure only, so it has no weights to fit; give it some, as trace capture "
            "--tensors writes them beside a trace"
        )
    from workloads.basis.basis_training import check_trainable, train_fit
    from workloads.basis.fitting import fit_basis  # compiles kernels

    images = composing_data(network, data) if train else None
    if images is not None:
        check_trainable(network, images)
    fit = fit_basis(network, options, observe)
    if images is not None:
        trained = train_fit(network, fit, images, training, observe)
        # images that the network itself was trained with are no news
        fit = replace(trained, known=fit.known) if data is None else trained
    if out is not None:
        write_basis(out, fit)
    return FitReport(fit, _evaluated(fit, network))


def _fitted_already(workload: str | Path | Network) -> BasisFit | None:
    """Return the fit that a file, or what comes with the simulator, is; None for any other workload."""
    name = str(workload)
    if name in prepared_networks:
        built_in = prepared_networks[name]()
        return built_in if isinstance(built_in, BasisFit) else None
    return read_basis(name) if name.lower().endswith(SUFFIX) else None


def _evaluated(fit: BasisFit, network: Network | None) -> FitEvaluation | None:
    """Return how a fit does on labelled images of its own, if there are any.

    network : the one before, if its weights are known
    """
    data = own_data(fit.network)
    if data is None or data.labels is None:
        return None
    before = None
    if network is not None:
        before = accuracy(float_outputs(lower(network), network.load_parameters(), data.inputs), data.labels)
    real = float_outputs(fit.lowered, fit.network.load_parameters(), data.inputs)
    integers = golden_outputs(fit.quantized(data.inputs[:CALIBRATION_IMAGES]), data.inputs)
    return FitEvaluation(
        data=f"{data.name}: {data.origin}",
        images=len(data),
        known=fit.known_among(data.inputs),
        baseline_accuracy=before,
        accuracy=accuracy(real, data.labels),
        integer_accuracy=accuracy(integers, data.labels),
    )
