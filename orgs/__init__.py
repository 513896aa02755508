"""Organizations, operators, roles, tokens, audit."""
