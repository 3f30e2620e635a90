"""The migrations folder: configuration, revision files and their graph. Nothing here connects to a database."""
