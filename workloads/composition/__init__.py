"""Networks composed: weights and inputs as codes of codebooks, products and functions as tables to look up."""
