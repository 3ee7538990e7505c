"""Networks onto hardware: stages, arrays, buffers. Used by machines."""
