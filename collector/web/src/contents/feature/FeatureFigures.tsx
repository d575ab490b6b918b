import type { Feature, Sample } from "../../api";
import { Bars } from "../../charts/Bars";
import { pairs } from "../../charts/categories";
import { Distribution } from "../../charts/Distribution";
import * as format from "../../parts/format";
import { Figures } from "./Figures";
import { KeyFigure, KeyFigures } from "../KeyFigures";

/** Sentences about the distances that too few values do not allow. */
function tooFew({ distances }: Sample): string[] {
  const all = Object.values(distances ?? {});
  return all.filter(({ reason }) => reason === "too_few").map(({ why }) => why);
}

/** The names of the distances of a window that was counted on other edges than the reference. */
export function rebinnedIn({ distances }: Sample): string[] {
  const shown = Object.entries(distances ?? {}).filter(([, each]) => each.value !== null && each.rebinned);
  return shown.map(([name]) => format.named(name));
}

/** A feature in one window: its distances, its distribution and all figures. */
export function FeatureFigures({
  sample,
  feature,
  reference,
  referenceName,
}: {
  sample: Sample;
  feature: Feature;
  reference: Feature | null;
  referenceName: string | null;
}) {
  const categories = feature.top.length > 0 || (reference?.top.length ?? 0) > 0;
  const numbers = feature.histogram !== null || feature.mean !== null;
  const rebinned = rebinnedIn(sample);
  return (
    <>
      {reference && (
        <KeyFigures>
          <KeyFigure name="PSI" value={format.distance(sample.psi)} unit="nats" />
          <KeyFigure name="KS" value={format.distance(sample.ks)} />
          <KeyFigure name="values" value={format.count(feature.count)} />
          <KeyFigure name="missing" value={format.percent(feature.missing_ratio)} />
        </KeyFigures>
      )}
      {tooFew(sample).map((why) => (
        <p key={why} class="faint small">
          {why}
        </p>
      ))}
      {rebinned.length > 0 && (
        <p class="faint small">
          Estimated: {rebinned.join(", ")}. This window was counted on other edges than the reference, and
          re-binned from its t-digest.
        </p>
      )}
      {feature.histogram && (
        <Distribution
          current={feature.histogram}
          reference={reference?.histogram ?? null}
          referenceName={referenceName}
        />
      )}
      {categories && (
        <Bars
          rows={pairs(feature.top, reference ? reference.top : null)}
          reference={reference ? referenceName : null}
        />
      )}
      <Figures
        current={feature}
        reference={reference}
        referenceName={referenceName}
        numbers={numbers}
      />
    </>
  );
}
