"""The guards of a run, a file or a folder each."""
