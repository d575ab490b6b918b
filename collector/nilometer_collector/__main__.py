"""`python -m nilometer_collector`: the same as `nilometer collector`."""

from nilometer_collector.commands.collector import main

if __name__ == "__main__":
    raise SystemExit(main())
