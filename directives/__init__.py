"""Versions of the operators' standing instructions."""
