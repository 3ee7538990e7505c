"""Which cores have channels between them, which way a pixel takes, and when it is there. Used by machines."""
