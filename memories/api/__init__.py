"""The memory APIs: for agents at `/v1/memories`, for operators at `/api/v1`."""
