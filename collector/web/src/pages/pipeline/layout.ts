/**
 * Places a graph in layers, from left to right in the direction of its data.
 *
 * The steps are those of Sugiyama, Tagawa and Toda (1981): turn edges of cycles around, put every node
 * in a layer, order each layer with few crossings, and place it near its neighbours. The positions
 * of a layer are the closest ones to the wished ones that keep the order and the gaps.
 */

export interface Size {
  width: number; // of a node
  height: number;
  across: number; // gap between layers
  below: number; // gap between nodes of a layer
}

/** The sizes of a small graph, and of one whose nodes show their names only. */
export const ROOMY: Size = { width: 236, height: 84, across: 88, below: 22 };
export const DENSE: Size = { width: 176, height: 36, across: 72, below: 12 };
const BEND_HEIGHT = 14; // room for an edge that passes a layer
const SWEEPS = 12;
const PORTS = { ahead: 0.5, back: 0.78 }; // height at which an edge meets a node

export interface Flow {
  source: string;
  reader: string;
}

export interface Placed {
  name: string;
  x: number; // left edge
  y: number; // top edge
}

export interface Line<F extends Flow> {
  flow: F;
  path: string; // SVG path from the source to the reader
  middle: readonly [number, number]; // place for a label
}

export interface Layout<F extends Flow> {
  width: number;
  height: number;
  nodes: readonly Placed[];
  lines: readonly Line<F>[];
}

interface Item {
  name: string | null; // null for the bend of a long edge
  layer: number;
  height: number;
  left: number;
  right: number;
  y: number; // centre
  before: Item[]; // neighbours in the layer on the left
  after: Item[];
}

/** The layout of the nodes that have an edge; the order of *flows* does not change it. */
export function layoutOf<F extends Flow>(flows: readonly F[], size: Size): Layout<F> {
  const names = [...new Set(flows.flatMap(({ source, reader }) => [source, reader]))].sort();
  const between = flows.filter(({ source, reader }) => source !== reader);
  const back = backward(names, between);
  const isBack = ({ source, reader }: Flow): boolean => back.has(key(source, reader));
  const ends = (flow: Flow): [string, string] =>
    isBack(flow) ? [flow.reader, flow.source] : [flow.source, flow.reader];
  const layerOf = layersOf(names, between.map(ends));
  const items = new Map<string, Item>();
  const layers: Item[][] = [];
  const leftOf = (layer: number): number => layer * (size.width + size.across);
  const add = (name: string | null, layer: number): Item => {
    const height = name === null ? BEND_HEIGHT : size.height;
    const item: Item = { name, layer, height, left: leftOf(layer), right: leftOf(layer) + size.width, y: 0, before: [], after: [] };
    (layers[layer] ??= []).push(item);
    return item;
  };
  for (const name of names) items.set(name, add(name, layerOf.get(name)!));
  const chains = new Map<F, Item[]>();
  for (const flow of [...between].sort((a, b) => (key(a.source, a.reader) < key(b.source, b.reader) ? -1 : 1))) {
    const [left, right] = ends(flow).map((name) => items.get(name)!) as [Item, Item];
    const chain = [left];
    for (let layer = left.layer + 1; layer < right.layer; layer += 1) chain.push(add(null, layer));
    chain.push(right);
    for (let at = 1; at < chain.length; at += 1) {
      chain[at - 1]!.after.push(chain[at]!);
      chain[at]!.before.push(chain[at - 1]!);
    }
    chains.set(flow, chain);
  }
  order(layers);
  place(layers, size.below);
  const all = layers.flat();
  const top = Math.min(...all.map((item) => item.y - item.height / 2));
  for (const item of all) item.y = Math.round(item.y - top);
  const bottom = Math.max(...all.map((item) => item.y + item.height / 2), 0);
  const lines = flows.map((flow) => lineOf(flow, chains.get(flow), items.get(flow.source)!, isBack(flow)));
  return {
    width: layers.length ? leftOf(layers.length) - size.across : 0,
    height: bottom,
    nodes: names.map((name) => {
      const { left, y } = items.get(name)!;
      return { name, x: left, y: y - size.height / 2 };
    }),
    lines,
  };
}

const key = (source: string, reader: string): string => `${source}\n${reader}`;

function grouped(pairs: readonly (readonly [string, string])[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [from, to] of pairs) found.set(from, [...(found.get(from) ?? []), to]);
  for (const each of found.values()) each.sort();
  return found;
}

/** The edges that lead back to a node from which they are reached; without them there is no cycle. */
function backward(names: readonly string[], flows: readonly Flow[]): Set<string> {
  const readers = grouped(flows.map(({ source, reader }) => [source, reader] as const));
  const read = new Set(flows.map(({ reader }) => reader));
  const found = new Set<string>();
  const finished = new Set<string>();
  for (const root of [...names.filter((name) => !read.has(name)), ...names]) {
    if (finished.has(root)) continue;
    const path = [{ name: root, next: 0 }];
    const open = new Set([root]);
    while (path.length) {
      const last = path.at(-1)!;
      const reader = readers.get(last.name)?.[last.next++];
      if (reader === undefined) {
        path.pop();
        open.delete(last.name);
        finished.add(last.name);
      } else if (open.has(reader)) {
        found.add(key(last.name, reader));
      } else if (!finished.has(reader)) {
        path.push({ name: reader, next: 0 });
        open.add(reader);
      }
    }
  }
  return found;
}

/** The layer of each node: right of all that it reads from, and sources close to their readers. */
function layersOf(names: readonly string[], edges: readonly (readonly [string, string])[]): Map<string, number> {
  const after = grouped(edges);
  const waiting = new Map(names.map((name) => [name, 0]));
  for (const [, to] of edges) waiting.set(to, waiting.get(to)! + 1);
  const layer = new Map(names.map((name) => [name, 0]));
  const ready = names.filter((name) => !waiting.get(name));
  const roots = new Set(ready);
  for (let name = ready.shift(); name !== undefined; name = ready.shift()) {
    for (const to of after.get(name) ?? []) {
      layer.set(to, Math.max(layer.get(to)!, layer.get(name)! + 1));
      waiting.set(to, waiting.get(to)! - 1);
      if (!waiting.get(to)) ready.push(to);
    }
  }
  for (const name of roots) {
    const nearest = Math.min(...(after.get(name) ?? []).map((to) => layer.get(to)!));
    if (Number.isFinite(nearest)) layer.set(name, nearest - 1);
  }
  return layer;
}

/** Sort each layer by the mean place of its neighbours, and keep the order with fewest crossings. */
function order(layers: Item[][]): void {
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
    const isForward = sweep % 2 === 0;
    for (const layer of isForward ? layers : [...layers].reverse()) {
      const wish = new Map(
        layer.map((item, at) => {
          const near = isForward ? item.before : item.after;
          const places = near.map((each) => layers[each.layer]!.indexOf(each));
          return [item, places.length ? places.reduce((a, b) => a + b) / places.length : at] as const;
        }),
      );
      layer.sort((a, b) => wish.get(a)! - wish.get(b)!);
    }
    const now = crossings(layers);
    if (now < fewest) {
      fewest = now;
      best = layers.map((layer) => [...layer]);
    }
  }
  best.forEach((layer, at) => layers[at]!.splice(0, layer.length, ...layer));
}

/** The number of edges that cross, between all neighbouring layers. */
export function crossings(layers: readonly (readonly Item[])[]): number {
  let count = 0;
  for (const layer of layers) {
    const ends: number[] = []; // places in the next layer, in the order of this layer
    for (const item of layer) {
      const next = layers[item.layer + 1] ?? [];
      const own = item.after.map((each) => next.indexOf(each)).sort((a, b) => a - b);
      for (const end of own) count += ends.filter((each) => each > end).length;
      ends.push(...own);
    }
  }
  return count;
}

/** Place each layer near its neighbours, in its order and with its gaps. */
function place(layers: Item[][], below: number): void {
  for (let sweep = 0; sweep <= SWEEPS; sweep += 1) {
    const isForward = sweep % 2 === 0;
    for (const layer of isForward ? layers : [...layers].reverse()) {
      const offsets: number[] = [];
      layer.forEach((item, at) => {
        const above = layer[at - 1];
        const gap = above ? (above.height + item.height) / 2 + below : 0;
        offsets.push((offsets.at(-1) ?? 0) + gap);
      });
      const wishes = layer.map((item, at) => {
        const near = isForward && sweep < SWEEPS ? item.before : [...item.before, ...item.after];
        const wish = near.length ? near.reduce((sum, each) => sum + each.y, 0) / near.length : item.y;
        return wish - offsets[at]!;
      });
      ascending(wishes).forEach((y, at) => {
        layer[at]!.y = y + offsets[at]!;
      });
    }
  }
}

/** The ascending numbers that are closest to *wishes* in the sum of squares. */
export function ascending(wishes: readonly number[]): number[] {
  const blocks: { sum: number; count: number }[] = [];
  for (const wish of wishes) {
    blocks.push({ sum: wish, count: 1 });
    for (;;) {
      const last = blocks.at(-1)!;
      const above = blocks.at(-2);
      if (!above || above.sum / above.count <= last.sum / last.count) break;
      blocks.splice(-2, 2, { sum: above.sum + last.sum, count: above.count + last.count });
    }
  }
  return blocks.flatMap(({ sum, count }) => Array<number>(count).fill(sum / count));
}

function lineOf<F extends Flow>(flow: F, chain: readonly Item[] | undefined, source: Item, isBack: boolean): Line<F> {
  if (!chain) {
    const { right } = source;
    const y = source.y - source.height / 2 + 6;
    return { flow, path: `M${right} ${y}c36-14 36 36 0 22`, middle: [right + 28, y + 11] };
  }
  const port = isBack ? PORTS.back - 0.5 : PORTS.ahead - 0.5;
  const stops = chain.flatMap((item, at) => {
    const y = item.y + (item.name === null ? 0 : Math.round(port * item.height));
    const left: [number, number] = [item.left, y];
    const right: [number, number] = [item.right, y];
    if (at === 0) return [right];
    return at === chain.length - 1 ? [left] : [left, right];
  });
  if (isBack) stops.reverse();
  const [start, ...rest] = stops as [[number, number], ...[number, number][]];
  let path = `M${start[0]} ${start[1]}`;
  let [x, y] = start;
  for (const [toX, toY] of rest) {
    const half = (toX - x) / 2;
    path += y === toY ? `H${toX}` : `C${x + half} ${y} ${toX - half} ${toY} ${toX} ${toY}`;
    [x, y] = [toX, toY];
  }
  const [a, b] = stops.slice(-2) as [[number, number], [number, number]];
  return { flow, path, middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
}
