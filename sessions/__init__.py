"""Conversations: sessions, turns, lifecycle."""
