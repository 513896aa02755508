"""The data plane: OpenAI-compatible HTTP in, memories and directives into the prompt, turns out."""
