"""The command line; the only code that imports data sets."""
