"""What pages and APIs read of memories: lists, searches, and all that is known of one."""
