"""What the fixtures in ``tests/conftest.py`` are made of: servers, databases, applications, terminals."""
