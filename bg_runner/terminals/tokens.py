"""Tokens of a text, estimated."""


def estimate_tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)
