/** The table of the pages: the path, the breadcrumbs and the component of each. */

import type { JSX } from "preact";
import { DeclaredPage } from "./pages/declared/DeclaredPage";
import { EntityPage } from "./pages/entity/EntityPage";
import { EpisodePage } from "./pages/episode/EpisodePage";
import { Home } from "./pages/home/Home";
import { PipelinePage } from "./pages/pipeline/PipelinePage";
import { PerformancePage } from "./pages/performance/PerformancePage";
import { ReferencesPage } from "./pages/references/ReferencesPage";
import { SummaryPage } from "./pages/summary/SummaryPage";
import type { Crumb } from "./parts/Crumbs";
import { entityLink, type Match, type Pattern } from "./router";

export interface Route extends Pattern {
  crumbs: (parameters: readonly string[]) => readonly Crumb[]; // after the home page
  page: (match: Match<Route>) => JSX.Element;
}

const entityCrumb = (entity: string): Crumb => ({ name: entity, href: entityLink(entity) });

/** The first route whose path matches is shown; the last one matches everything. */
export const ROUTES: readonly Route[] = [
  {
    path: "entity/:entity/summary/:summary",
    crumbs: ([entity = "", summary = ""]) => [entityCrumb(entity), { name: summary }],
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
    path: "entity/:entity/episode/:episode",
    crumbs: ([entity = "", episode = ""]) => [entityCrumb(entity), { name: `episode ${episode}` }],
    page: ({ parameters: [entity = "", episode = ""] }) => (
      <EpisodePage key={`${entity}\n${episode}`} entity={entity} id={Number(episode)} />
      ),
    },
    {
    path: "entity/:entity/references",
    crumbs: ([entity = ""]) => [entityCrumb(entity), { name: "References" }],
    page: ({ parameters: [entity = ""], options }) => (
      <ReferencesPage key={entity} entity={entity} options={options} />
    ),
  },
  {
    path: "entity/:entity/performance",
    crumbs: ([entity = ""]) => [entityCrumb(entity), { name: "Performance" }],
    page: ({ parameters: [entity = ""], options }) => (
      <PerformancePage key={entity} entity={entity} options={options} />
    ),
  },
  {
    path: "entity/:entity",
    crumbs: ([entity = ""]) => [entityCrumb(entity)],
    page: ({ parameters: [entity = ""] }) => <EntityPage key={entity} name={entity} />,
  },
  { path: "declared", crumbs: () => [{ name: "Declared" }], page: () => <DeclaredPage /> },
  {
    path: "pipeline",
    crumbs: () => [{ name: "Pipeline" }],
    page: ({ options }) => <PipelinePage options={options} />,
  },
  { path: "", crumbs: () => [], page: () => <Home /> },
];

/** The title of a page: its breadcrumbs, innermost first. */
export const titleOf = (crumbs: readonly Crumb[]): string =>
  [...crumbs.map(({ name }) => name).reverse(), "nilometer"].join(" · ");
