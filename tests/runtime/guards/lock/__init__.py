"""Locks on real servers, between real processes."""
