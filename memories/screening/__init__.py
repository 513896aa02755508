"""What text passes before it is kept: personal data redacted, injected instructions weighed."""
