"""Area against speed: one network, with converters that more and more bitlines share.

    python examples/shared_converters.py

Turns hide behind the next product until they outlast it; from there on each doubling halves the throughput.
"""

from __future__ import annotations

import imcsim

BITLINES = (1, 2, 4, 8, 16, 32)


def main() -> None:
    """Print a row for each degree of sharing."""
    print(f"{'bitlines':>8} {'area':>10} {'images/s':>9} {'latency':>9} {'busiest converter':>18}")
    for bitlines in BITLINES:
        run = imcsim.run(
            "digits-cnn",
            arch="dataflow",
            images=8,
            settings=["core.adc.kind=shared-adc", "core.adc.cycles=8", f"core.adc.bitlines={bitlines}"],
        )
        summary = run.summary
        busy = max(unit.cycles.get("busy:convert", 0) for unit in run.units) / summary["cycles"]
        print(
            f"{bitlines:>8} {summary['area_mm2']['total']:>6.3f} mm2 {summary['throughput_per_s']:>9,.0f} "
            f"{summary['latency_s']['mean'] * 1e6:>6.1f} us {busy:>17.0%}"
        )


if __name__ == "__main__":
    main()
