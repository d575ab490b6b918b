/** The frame around the pages: where one is, and the way back. */

import { useEffect, useRef } from "preact/hooks";
import { entityLink, matchOf, useFragment } from "./router";
import { ROUTES } from "./routes";

export function App() {
  const match = matchOf(ROUTES, useFragment());
  const main = useRef<HTMLElement>(null);
  const [entity, summary] = match?.parameters ?? [];
  const title = match?.route.title(match.parameters) ?? "nilometer";
  const first = useRef(true);
  useEffect(() => {
    document.title = title;
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [entity, summary]);
  return (
    <>
      <header class="top">
        <div class="bar">
          <nav aria-label="Where you are">
            <ol class="crumbs">
              <li>
                <a href="#/" class="brand" aria-current={entity ? undefined : "page"}>
                  <svg viewBox="0 0 16 24" width="14" height="21" aria-hidden="true">
                    <path d="M4 1v22M4 1h10M4 6.5h5M4 12h8M4 17.5h5M4 23h10" class="outline" />
                    <path d="M0 14.5h16" class="water" />
                  </svg>
                  nilometer
                </a>
              </li>
              {entity && (
                <li>
                  <a href={entityLink(entity)} aria-current={summary ? undefined : "page"}>
                    {entity}
                  </a>
                </li>
              )}
              {summary && (
                <li>
                  <span aria-current="page">{summary}</span>
                </li>
              )}
            </ol>
          </nav>
        </div>
        <svg class="ruling" width="100%" height="9" aria-hidden="true">
          <defs>
            <pattern id="ruling" width="50" height="9" patternUnits="userSpaceOnUse">
              <path d="M.5 0v9M10.5 0v4M20.5 0v4M30.5 0v4M40.5 0v4" />
            </pattern>
          </defs>
          <rect width="100%" height="9" fill="url(#ruling)" />
        </svg>
      </header>
      <main ref={main} tabIndex={-1}>
        {match?.route.page(match)}
      </main>
    </>
  );
}
