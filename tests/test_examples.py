"""The examples run and print what they say."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_sharing_converters_saves_area_until_their_turns_outlast_a_product(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runpy.run_path(str(EXAMPLES / "shared_converters.py"), run_name="__main__")
    _, *rows = capsys.readouterr().out.splitlines()
    table = [
        [
            float(cell.strip("%").replace(",", ""))
            for cell in row.split()
            if cell[0].isdigit() and cell != "mm2"
        ]
        for row in rows
    ]
    areas, rates = [row[1] for row in table], [row[2] for row in table]
    assert areas == sorted(areas, reverse=True)
    # up to 16 bitlines x 8 cycles fit into the 130 cycles of a product; conv2 and conv3 have 32
    assert rates[:5] == [120_192] * 5
    assert rates[5] == 61_035
