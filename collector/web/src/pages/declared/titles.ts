/** The words for an object, such as "alerter late of fraud-scorer". */
export function titleOf(each: { kind: string; entity: string; name: string }): string {
  const owner = each.entity && each.entity !== each.name ? ` of ${each.entity}` : "";
  return `${each.kind} ${each.name}${owner}`;
}

/** A changed field in one line; values are JSON texts, and null is "not set". */
export function fieldLine(one: { field: string; before: string | null; after: string | null }): string {
  return `${one.field}: ${one.before ?? "not set"} → ${one.after ?? "not set"}`;
}
