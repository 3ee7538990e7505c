"""What arrays compute: how weights lie in cells, inputs reach wordlines, and sums come back as numbers."""
