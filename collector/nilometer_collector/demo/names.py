"""What the demo's parts call each other by."""

ENTITY = "flight-delay"
REFERENCE = "training"
EVENT_TIME_HEADER = "x-event-time"  # recorded traffic says when it happened
MODEL_VARIABLE = "FLIGHTS_MODEL"  # environment variable with the path of the model's file
