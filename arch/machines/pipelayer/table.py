"""What is published of PipeLayer: times and energies of a spike, the area of a chip, and its peak.

Nothing is known of single parts: area is that of the whole chip, and controllers, integrate-and-fire circuits
and counters are inside what reads and writes cost.

Source: Song et al., HPCA 2017, as far as it could be read in notes on it.
"""

from __future__ import annotations

READ_NS, READ_PJ = 29.31, 1.08
WRITE_NS, WRITE_NJ = 50.88, 3.91
AREA_MM2 = 82.63

#: Peak of a chip for its area [GOPS/mm2].
PEAK_CE = 1485.0

#: Logical blocks of 128 x 128 weights of 16 bits in one chip. The paper does not say how many there are: so
#: many reach its peak, 2 x 128 x 128 operations each in the 16 spikes of a product.
BLOCKS = 1756
