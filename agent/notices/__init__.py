"""What people are told, and the ways to them: a webhook of Slack's kind, a webhook of one's own, mail.

The controller tells of what it sees, and a droplet of the controller's absence, in the same words by the same ways.
Nothing here needs more than Python has: a droplet's agent has little memory, and must not depend on much.
"""

from agent.notices.messages import Line, Message, document, text, title
from agent.notices.sending import NotDelivered, deliver, place, visit

__all__ = [
    "DELIVER_SECONDS",
    "Line",
    "Message",
    "NotDelivered",
    "deliver",
    "document",
    "place",
    "text",
    "title",
    "visit",
]
