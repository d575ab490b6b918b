"""Notifications: one message for each opening and closing, retried until it is delivered."""

from nilometer_collector.channels.delivery import Courier
from nilometer_collector.channels.heartbeat import Heartbeat
from nilometer_collector.channels.slack import CHANNEL, message
from nilometer_collector.channels.webhook import Outcome, Post, post

__all__ = ["CHANNEL", "Courier", "Heartbeat", "Outcome", "Post", "message", "post"]
