"""`python -m nilometer_agent`: the same as `nilometer agent`."""

import argparse
import sys

from nilometer.values.errors import ConfigError
from nilometer_agent.cli import add_options, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="nilometer agent")
    add_options(parser)
    try:
        sys.exit(run(parser.parse_args()))
    except ConfigError as error:
        sys.stderr.write(f"nilometer agent: {error}\n")
        sys.exit(2)
