"""The other side of each comparison: small programs, run in processes of their own, that print JSON."""
