"""What a person looks at after `emoasr.eval`: the page, the same as Markdown, the pictures."""

from emoasr.report.writing import write

__all__ = ["write"]
