"""What agents learn, and how it is found again.

`models`, `services`, `errors` and the doors (views, APIs, tasks) stand here. The rooms behind them:

- `learning`: from a recorded session to its passages and candidates; dead letters
- `extraction`: the extractors that read candidates out of a conversation
- `screening`: what text passes before it is kept: redaction, injection risk
- `writing`: draft, neighbours, conflict, change, version
- `indexing`: terms, postings, vectors, and what may be found by them
- `retrieval`: from a message to ranked candidates, for every prompt and search
- `steering`: bulk changes, decisions about what waits for review, undo
- `browsing`: what pages and APIs read of memories
"""
