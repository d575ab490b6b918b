"""Run the benchmarks: all of them, or those named."""

import argparse
import sys

from benchmarks import (
    accuracy,
    apply,
    backup,
    cost_per_request,
    digest,
    durable,
    holds,
    import_cost,
    ingest,
    join,
    latency,
    merge,
    pipeline,
    query,
    start,
    table,
    throughput,
    tokens,
    wire_size,
)

BENCHMARKS = {
    "import": import_cost.main,
    "start": start.main,
    "accuracy": accuracy.main,
    "digest": digest.main,
    "pipeline": pipeline.main,
    "throughput": throughput.main,
    "durable": durable.main,
    "wire": wire_size.main,
    "merge": merge.main,
    "query": query.main,
    "ingest": ingest.main,
    "join": join.main,
    "backup": backup.main,
    "apply": apply.main,
    "table": table.main,
    "request": cost_per_request.main,
    "latency": latency.main,
    "holds": holds.main,
    "tokens": tokens.main,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    names = parser.parse_args().names or list(BENCHMARKS)
    results = {}
    for name in names:
        print(f"\n== {name}", flush=True)
        results[name] = BENCHMARKS[name]()
    missed = [name for name, result in results.items() if result]
    print(f"\n{len(names) - len(missed)} of {len(names)} met their goals", *missed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
