"""Names that the parts of the demo share."""

ENTITY = "flight-delay"
REFERENCE = "training"
EVENT_TIME_HEADER = "x-event-time"  # request header with the departure of the recorded flight
WINDOW_SECONDS = 3600  # length of past and live windows; an hour has about 50 flights
MODEL_VARIABLE = "FLIGHTS_MODEL"  # environment variable with the path of the model file
WEBHOOK_VARIABLE = "FLIGHTS_WEBHOOK_URL"  # names the secret of the channel in apply/channels.yaml
