"""The function that sends to each kind of receiver."""

from collections.abc import Mapping

from nilometer.values.clock import SystemClock
from nilometer_collector.channels.alertmanager import send_alertmanager
from nilometer_collector.channels.apprise import send_apprise
from nilometer_collector.channels.mail import Mailer
from nilometer_collector.channels.opsgenie import send_opsgenie
from nilometer_collector.channels.pagerduty import send_pagerduty
from nilometer_collector.channels.posting import Answer, Request, as_json, send
from nilometer_collector.channels.sending import Send, Sending
from nilometer_collector.channels.slack import slack_content
from nilometer_collector.channels.teams import send_teams
from nilometer_collector.channels.webhook import send_webhook


def send_slack(sending: Sending) -> Answer:
    """Post the message to an incoming webhook of Slack."""
    body = as_json(slack_content(sending.message))
    request = Request(destination=sending.secret_destination(), body=body)
    return send(request, sending.message.key)


SENDERS: Mapping[str, Send] = {
    "alertmanager": send_alertmanager,
    "apprise": send_apprise,
    "email": Mailer(SystemClock()).send,
    "opsgenie": send_opsgenie,
    "pagerduty": send_pagerduty,
    "slack": send_slack,
    "teams": send_teams,
    "webhook": send_webhook,
}
