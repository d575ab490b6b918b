/** Features: the distribution of one column. */

import { contentKind } from "../content";
import { featureCharts } from "./charts";
import { FeatureFigures } from "./FeatureFigures";
import { featureGlance } from "./glance";

export const feature = contentKind({
  of: (sample) => sample.feature,
  figures: (content, sample, reference) => (
    <FeatureFigures
      sample={sample}
      feature={content}
      reference={reference?.feature ?? null}
      referenceName={reference?.name ?? null}
    />
  ),
  charts: featureCharts,
  glance: featureGlance,
});
