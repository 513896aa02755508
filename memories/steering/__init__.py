"""What operators decide: about many memories at once, about what waits, and taking it back."""
