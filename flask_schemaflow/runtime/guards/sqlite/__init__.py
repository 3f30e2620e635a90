"""What SQLite needs so that a migration is done as a whole or not at all, and loses nothing.

SQLite's data definition is transactional; what breaks it in everyday use is the driver, which ends
transactions by itself, and ``ALTER TABLE``, which can do so little that tables are rebuilt.
"""
