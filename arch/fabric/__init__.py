"""Which cores have channels between them, and which way a pixel takes. Used by machines."""
