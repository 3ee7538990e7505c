"""Makes `python -m imcsim` the same as the command `imcsim`."""

from imcsim.cli import main

if __name__ == "__main__":
    main(prog_name="imcsim")
