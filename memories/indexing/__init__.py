"""What makes a text findable: its terms, its postings, its vector."""
