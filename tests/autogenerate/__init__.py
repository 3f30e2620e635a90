"""What ``flask db migrate`` writes."""
