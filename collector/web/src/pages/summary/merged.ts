/** What a table or chart of several label sets says: that it shows them together. */

/** Labels with several values of which the page shows all, or several chosen ones; empty for none. */
export function mergedWords(
  labels: Readonly<Record<string, readonly string[]>>,
  chosen: readonly string[],
): string {
  return Object.entries(labels)
    .map(([key, all]) => {
      const picked = chosen.filter((each) => each.startsWith(`${key}:`)).map((each) => each.slice(key.length + 1));
      const shown = picked.length ? picked : all;
      return shown.length > 1 ? `${key} ${shown.slice(0, MOST_NAMED).join(", ")}${more(shown.length)}` : "";
    })
    .filter(Boolean)
    .join("; ");
}

const MOST_NAMED = 5;

const more = (count: number): string => (count > MOST_NAMED ? ` and ${count - MOST_NAMED} more` : "");
