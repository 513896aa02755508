"""Journeys and pages in a real browser: a package, so that all of them share one Chromium."""
