/** State that follows the collector. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiProblem } from "../api";

export const REFRESH_SECONDS = 10;

export interface Polled<T> {
  value: T | null; // the newest answer there was, also while a later question fails
  problem: ApiProblem | null;
  at: number | null; // Unix seconds of the newest answer
}

/**
 * Ask now and every ten seconds while the page is seen.
 *
 * A changed *key* asks at once and keeps the old answer until the new one is there, so that nothing
 * flickers. Components that must not show another thing's answer are mounted with a key of their own.
 */
export function usePolled<T>(key: string, ask: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const [state, setState] = useState<Polled<T>>({ value: null, problem: null, at: null });
  const question = useRef(ask);
  question.current = ask;
  useEffect(() => {
    const stop = new AbortController();
    let timer: number | undefined;
    const round = async (): Promise<void> => {
      clearTimeout(timer);
      if (!document.hidden) {
        try {
          const value = await question.current(stop.signal);
          if (!stop.signal.aborted) setState({ value, problem: null, at: Date.now() / 1000 });
        } catch (error) {
          if (stop.signal.aborted) return;
          const problem =
            error instanceof ApiProblem ? error : new ApiProblem(0, "The page failed", String(error));
          setState((before) => ({ ...before, problem }));
        }
      }
      if (!stop.signal.aborted) timer = setTimeout(() => void round(), REFRESH_SECONDS * 1000);
    };
    const seen = (): void => {
      if (!document.hidden) void round();
    };
    void round();
    document.addEventListener("visibilitychange", seen);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key]);
  return state;
}
