/** The frame of every page: a header with breadcrumbs, and the page itself. */

import { useEffect, useRef } from "preact/hooks";
import { Crumbs } from "./parts/Crumbs";
import { matchOf, useFragment } from "./router";
import { ROUTES, titleOf } from "./routes";
import styles from "./App.module.css";

export function App() {
  const match = matchOf(ROUTES, useFragment());
  const main = useRef<HTMLElement>(null);
  const crumbs = match?.route.crumbs(match.parameters) ?? [];
  const title = titleOf(crumbs);
  const first = useRef(true);
  useEffect(() => {
    document.title = title;
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [title]);
  return (
    <>
      <header class={styles.top}>
        <div class={styles.bar}>
          <Crumbs crumbs={crumbs} />
        </div>
        <svg class={styles.ruling} width="100%" height="9" aria-hidden="true">
          <defs>
            <pattern id="ruling" width="50" height="9" patternUnits="userSpaceOnUse">
              <path d="M.5 0v9M10.5 0v4M20.5 0v4M30.5 0v4M40.5 0v4" />
            </pattern>
          </defs>
          <rect width="100%" height="9" fill="url(#ruling)" />
        </svg>
      </header>
      <main ref={main} class={styles.main} tabIndex={-1}>
        {match?.route.page(match)}
      </main>
    </>
  );
}
