"""The default alerter's judgement of predictions by their ground truth, which arrives late."""
