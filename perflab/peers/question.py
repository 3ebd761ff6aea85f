"""What both sides of the comparison are asked.

Rule: names, nothing else.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

__all__ = ["QUESTIONS", "Question"]

Question: TypeAlias = Literal["store", "retrieve, one replica", "retrieve, quorum"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
