/** The table of the pages: the path of each, its title and what shows it. */

import type { JSX } from "preact";
import { EntityPage } from "./pages/entity";
import { Home } from "./pages/home";
import { SummaryPage } from "./pages/summary";
import type { Match, Pattern } from "./router";

export interface Route extends Pattern {
  title: (parameters: readonly string[]) => string;
  page: (match: Match<Route>) => JSX.Element;
}

/** The first route whose path matches is shown; the last one matches everything. */
export const ROUTES: readonly Route[] = [
  {
    path: "entity/:entity/summary/:summary",
    title: ([entity, summary]) => `${summary} · ${entity} · nilometer`,
    page: ({ parameters: [entity = "", summary = ""], options }) => (
      <SummaryPage
        key={`${entity}\n${summary}`}
        entity={entity}
        summary={summary}
        options={options}
      />
    ),
  },
  {
    path: "entity/:entity",
    title: ([entity]) => `${entity} · nilometer`,
    page: ({ parameters: [entity = ""] }) => <EntityPage key={entity} name={entity} />,
  },
  { path: "", title: () => "nilometer", page: () => <Home /> },
];
