"""Telling people: one message per opening and closing, delivered however long it takes."""

from nilometer_collector.notify.delivery import Courier
from nilometer_collector.notify.slack import CHANNEL, message
from nilometer_collector.notify.webhook import Outcome, Post, post

__all__ = ["CHANNEL", "Courier", "Outcome", "Post", "message", "post"]
