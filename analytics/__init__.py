"""Request records and what is counted from them."""
