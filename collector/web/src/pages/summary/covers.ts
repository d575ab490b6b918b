/** Whether the pattern of an alerter, such as "input.*", matches a summary. */
export function covers(glob: string, name: string): boolean {
  const pattern = glob
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${pattern}$`).test(name);
}
