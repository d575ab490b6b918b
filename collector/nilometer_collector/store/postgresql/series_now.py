"""The current statistics of series: those that are collected, and additions that still wait."""

from typing import LiteralString

# Both tables are grouped together. PostgreSQL has no statistics of new series for a while, and would
# join them in a nested loop, which takes over 30 seconds for 10,000 series. The view `series_now` has
# such a join. It is kept for older collectors on the same database, and for few series at once.
SERIES_NOW: LiteralString = """
SELECT entity, id, max(summary) AS summary, max(labels_text) AS labels_text,
       LEAST(sum(seen), 9007199254740992)::bigint AS seen,
       LEAST(sum(numbers), 9007199254740992)::bigint AS numbers,
       LEAST(sum(categories), 9007199254740992)::bigint AS categories,
       sum(samples)::bigint AS samples, min(first_start_ns) AS first_start_ns,
       max(last_end_ns) AS last_end_ns, max(longest_window_ns) AS longest_window_ns,
       (max(ARRAY[last_received_ns, sequence, last_window_ns]))[3] AS last_window_ns,
       max(last_received_ns) AS last_received_ns
FROM (SELECT entity, id, summary, labels_text, seen, numbers, categories, samples,
             first_start_ns, last_end_ns, longest_window_ns, last_window_ns, last_received_ns,
             -1 AS sequence
      FROM series
      WHERE (%(entity)s::text IS NULL OR entity = %(entity)s)
        AND (%(summary)s::text IS NULL OR summary = %(summary)s)
      UNION ALL
      SELECT entity, series, NULL, NULL, seen, numbers, categories, samples,
             start_ns, end_ns, end_ns - start_ns, end_ns - start_ns, received_ns, sequence
      FROM waiting_additions
      WHERE samples > 0 AND (%(entity)s::text IS NULL OR entity = %(entity)s)) AS of_both
GROUP BY entity, id HAVING count(summary) > 0
"""
