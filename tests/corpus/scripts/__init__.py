"""Programs as people write them, from questions, issues and the Guide; told of at their end, as scripts are."""

from . import asking, asking_right, publishing, publishing_right, pushing_right, sharing, together

__all__ = ["asking", "asking_right", "publishing", "publishing_right", "pushing_right", "sharing", "together"]
