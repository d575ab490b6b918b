import * as api from "../../api";
import { windowLength } from "../../api/windowlength";

/** The newest windows of a summary, as many as a sparkline shows. */
export async function recent(
  entity: string,
  summary: string,
  lastSeen: number,
  reference: string | undefined,
  windows: number,
  signal?: AbortSignal,
): Promise<api.Samples> {
  const length = await windowLength(entity, summary, lastSeen, signal);
  return api.samples({ entity, summary, start: lastSeen - windows * length, reference }, signal);
}
