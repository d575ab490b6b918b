/** A small line chart of a few dozen windows, without axes. */

import styles from "./Sparkline.module.css";

const WIDTH = 150;
const HEIGHT = 30;
const PAD = 4;

export function Sparkline({
  values,
  mark,
  label,
}: {
  values: readonly (number | null)[];
  mark: number | null; // the reference's value, drawn as a dashed line
  label: string;
}) {
  const present = values.filter((each): each is number => each !== null);
  if (!present.length) return <span class="faint">–</span>;
  const all = mark === null ? present : [...present, mark];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const y = (each: number): number =>
    high > low ? HEIGHT - PAD - ((each - low) / (high - low)) * (HEIGHT - 2 * PAD) : HEIGHT / 2;
  const x = (i: number): number => PAD + (i / Math.max(1, values.length - 1)) * (WIDTH - 2 * PAD);
  let path = "";
  let pen = false;
  values.forEach((each, i) => {
    if (each !== null) path += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(each).toFixed(1)}`;
    pen = each !== null;
  });
  const last = values.findLastIndex((each) => each !== null);
  return (
    <svg
      class={styles.sparkline}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={label}
    >
      {mark !== null && <path d={`M0 ${y(mark).toFixed(1)}H${WIDTH}`} class={styles.mark} />}
      <path d={path} class={styles.line} />
      <circle cx={x(last)} cy={y(values[last]!)} r="2.5" class={styles.dot} />
    </svg>
  );
}
