"""Notifications: one message for each change of an episode, retried until it is delivered."""

from nilometer_collector.channels.delivery import Courier, Couriers
from nilometer_collector.channels.heartbeat import Heartbeat
from nilometer_collector.channels.posting import Outcome, Post, post
from nilometer_collector.channels.receivers import Receivers
from nilometer_collector.channels.sample import send_sample

__all__ = [
    "Courier",
    "Couriers",
    "Heartbeat",
    "Outcome",
    "Post",
    "Receivers",
    "post",
    "send_sample",
]
