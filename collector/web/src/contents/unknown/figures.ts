/** The figures of an unknown kind of content, taken from its fields. */

export type Value = string | number | boolean | null;

export interface Figure {
  path: readonly string[]; // names of nested fields, outermost first
  value: Value;
}

const LONGEST = 120; // characters of a list

/** All fields with a single value, including fields of nested objects; a list becomes one text. */
export function figuresOf(content: object, path: readonly string[] = []): Figure[] {
  return Object.entries(content).flatMap(([key, value]: [string, unknown]): Figure[] => {
    const here = [...path, key];
    if (Array.isArray(value)) return [{ path: here, value: shortened(JSON.stringify(value)) }];
    if (typeof value === "object" && value !== null) return figuresOf(value, here);
    return [{ path: here, value: isValue(value) ? value : null }];
  });
}

/** The innermost field whose name has a unit, such as `wait_seconds`, or else the innermost field. */
export const unitOf = (path: readonly string[]): string =>
  path.findLast((each) => /_(ratio|seconds)$/.test(each)) ?? path.at(-1)!;

const isValue = (value: unknown): value is Value =>
  value === null || ["string", "number", "boolean"].includes(typeof value);

const shortened = (text: string): string =>
  text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
