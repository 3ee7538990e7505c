"""A network as coefficients and a basis: what crossbars of basis vectors compute on."""

from __future__ import annotations

from arch.machines.basisn.closed_forms import network_counts
from arch.numbers import Images, KnownNetwork, QuantizedNumbers
from simcore.errors import WorkloadError
from workloads.basis import BasisFit, BasisNetwork, BasisOptions

#: Kernel slices times vectors of a fit that is made by the way: some minutes.
MOST_PAIRS = 2**28


class BasisNumbers(QuantizedNumbers):
    """Integers whose weights combine basis vectors.

    A network that is not fitted to a basis yet is so now, by its weights alone.
    """

    network: BasisNetwork

    def __init__(self, known: KnownNetwork, options: BasisOptions, activation_bits: int) -> None:
        """Take the fit that was loaded, or fit the network as `options` say; then set scales.

        raises : WorkloadError for a network that cannot be fitted, or is too large for that, or whose fit is
            of other layers
        """
        fit = known.prepared
        if not isinstance(fit, BasisFit):
            check_size(known, options)
            from workloads.basis.fitting import fit_basis  # compiles kernels

            fit = fit_basis(known.network, options)
        if fit.lowered.canonical() != known.lowered.canonical():
            raise WorkloadError(
                f"{known.network.name} brings scales for weights, which its factors then cannot join, but "
                "kernels of a basis have their own scales; fit it with imcsim fit-basis, and run the file"
            )
        self._fit, self._fitted_now = fit, fit is not known.prepared
        self.network = fit.quantized(known.calibration, activation_bits)

    @property
    def notes(self) -> tuple[str, ...]:
        """How close a fit comes that was made now, and how to keep one."""
        if not self._fitted_now:
            return ()
        return (
            f"{self._fit.network.name} was fitted to a basis for this run, its weights {self._fit.error:.2%} "
            "off; imcsim fit-basis -o FILE.npz keeps a fit, and trains it with --train",
        )

    def known_among(self, images: Images) -> int:
        """Return how many of some images the basis was trained with."""
        return self._fit.known_among(images)


def check_size(known: KnownNetwork, options: BasisOptions) -> None:
    """Refuse a fit that takes too long without a word."""
    slices = sum(each.kernel_slices for each in network_counts(known.lowered, options.length).values())
    vectors = min(options.vectors, slices)
    if slices * vectors > MOST_PAIRS:
        raise WorkloadError(
            f"{known.network.name} has {slices:,} kernel slices, and fitting them to {vectors:,} vectors "
            "takes long; fit it once with imcsim fit-basis, which shows how far it is, and run the file, or "
            "take fewer crossbars with basis=distinct"
        )
