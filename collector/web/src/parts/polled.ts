/** State that is requested from the collector again and again. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiProblem } from "../api";

export const REFRESH_SECONDS = 10;
const CHANGED = "nilometer-changed"; // event of the document after the page has changed something

/** Let every request be sent again at once, because the page has changed what they return. */
export const refresh = (): boolean => document.dispatchEvent(new Event(CHANGED));

export interface Polled<T> {
  value: T | null; // newest response, kept while later requests fail
  problem: ApiProblem | null;
  at: number | null; // time of the newest response, Unix seconds
}

/**
 * Send a request now and every ten seconds while the page is visible.
 *
 * A changed *key* sends a request at once, and the old value stays until the response arrives, so
 * that the page does not flicker. A component must have its own key if old values would be wrong.
 */
export function usePolled<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const [state, setState] = useState<Polled<T>>({ value: null, problem: null, at: null });
  const question = useRef(ask);
  question.current = ask;
  useEffect(() => {
    const stop = new AbortController();
    let timer: number | undefined;
    let newest = 0; // number of the newest round; answers to earlier ones may be out of date
    const round = async (): Promise<void> => {
      const number = ++newest;
      const isOver = (): boolean => stop.signal.aborted || number !== newest;
      clearTimeout(timer);
      if (!document.hidden) {
        try {
          const value = await question.current(stop.signal);
          if (!isOver()) setState({ value, problem: null, at: Date.now() / 1000 });
        } catch (error) {
          if (isOver()) return;
          const problem =
            error instanceof ApiProblem ? error : new ApiProblem(0, "Internal error of the page", String(error));
          setState((before) => ({ ...before, problem }));
        }
      }
      if (!isOver()) timer = setTimeout(() => void round(), REFRESH_SECONDS * 1000);
    };
    const seen = (): void => {
      if (!document.hidden) void round();
    };
    void round();
    document.addEventListener("visibilitychange", seen);
    document.addEventListener(CHANGED, seen);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      document.removeEventListener(CHANGED, seen);
    };
  }, [key]);
  return state;
}
