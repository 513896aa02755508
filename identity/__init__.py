"""Who an operator is: signing in, second factors, devices, lockouts, and their own settings."""
