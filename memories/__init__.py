"""What agents learn, and how it is found again."""
