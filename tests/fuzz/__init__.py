"""Commands under everything that nobody thought of: arguments, files and folders made at random."""
