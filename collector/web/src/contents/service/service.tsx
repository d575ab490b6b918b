/** The service: requests, their latency and their outcomes. */

import * as format from "../../parts/format";
import { contentKind } from "../content";
import { serviceCharts } from "./charts";
import { ServiceFigures } from "./ServiceFigures";

export const service = contentKind({
  of: (sample) => sample.service,
  figures: (content) => <ServiceFigures service={content} />,
  charts: serviceCharts,
  glance: (services) => ({
    what: "requests/s",
    values: services.map((each) => each?.requests_per_second ?? null),
    mark: null,
    newest: format.number(services.at(-1)?.requests_per_second, 3),
  }),
});
