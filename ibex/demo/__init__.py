"""A demo organization: invented conversations, recorded and learned from as real ones are."""
