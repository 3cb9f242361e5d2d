/** Time series in the browser: kept sorted, grown at the end, lined up for a chart. */

export interface Series {
  /** Unix seconds, ascending. */
  t: number[];
  v: number[];
}

export const emptySeries: Series = { t: [], v: [] };

/** From the API's pairs; what isn't a number is left out, so that it shows as a gap. */
export function fromPairs(pairs: readonly [number, number | string | null][]): Series {
  const t: number[] = [];
  const v: number[] = [];
  for (const [time, value] of pairs) {
    const n = value === null ? NaN : Number(value);
    if (!Number.isFinite(n)) continue;
    t.push(time);
    v.push(n);
  }
  return { t, v };
}

/** What is known before `from`, then what came: later answers replace earlier ones. */
export function extend(known: Series, from: number, came: Series): Series {
  let keep = known.t.length;
  while (keep > 0 && known.t[keep - 1]! >= from) keep--;
  return { t: [...known.t.slice(0, keep), ...came.t], v: [...known.v.slice(0, keep), ...came.v] };
}

/** The usual distance of two points; `fallback` when there are too few to tell. */
export function spacing(times: readonly number[], fallback: number): number {
  if (times.length < 3) return fallback;
  const gaps: number[] = [];
  for (let i = 1; i < times.length; i++) gaps.push(times[i]! - times[i - 1]!);
  gaps.sort((a, b) => a - b);
  return gaps[gaps.length >> 1]!;
}

export type Aligned = [number[], ...(number | null)[][]];

/**
 * One column of times and one of values a series, null where a series has none.
 * Where times are missing for longer than two points would take, a column of nulls is put in: a gap, not a line across it.
 */
export function align(series: readonly Series[], step: number): Aligned {
  const times = [...new Set(series.flatMap((s) => s.t))].sort((a, b) => a - b);
  const usual = spacing(times, step);
  const x: number[] = [];
  for (const [i, t] of times.entries()) {
    const before = times[i - 1];
    if (before !== undefined && t - before > usual * 2.01) x.push(before + usual);
    x.push(t);
  }
  const columns = series.map((s) => {
    const column: (number | null)[] = new Array<number | null>(x.length).fill(null);
    let j = 0;
    for (let i = 0; i < x.length && j < s.t.length; i++) {
      if (x[i] === s.t[j]) column[i] = s.v[j++]!;
    }
    return column;
  });
  return [x, ...columns];
}

/** A rate is nought, and not unknown, where the load generator reported and no request was made. */
export function zeroWhere(s: Series, reported: Series): Series {
  const first = s.t[0];
  const last = s.t[s.t.length - 1];
  if (first === undefined || last === undefined) return s;
  const values = new Map(s.t.map((t, i) => [t, s.v[i]!]));
  for (const t of reported.t) {
    if (t > first && t < last && !values.has(t)) values.set(t, 0);
  }
  const t = [...values.keys()].sort((a, b) => a - b);
  return { t, v: t.map((time) => values.get(time)!) };
}

/** Seconds; the first is the usual length of a bucket. */
export const steps: readonly number[] = [3, 6, 15, 30, 60, 120, 300, 600, 1800, 3600, 10800, 43200];

/** Seconds between points, so that a run of that length has at most about `most` of them. */
export function stepFor(seconds: number, most = 600): number {
  return steps.find((s) => seconds / s <= most) ?? steps[steps.length - 1]!;
}

export const last = (s: Series): number | null => s.v[s.v.length - 1] ?? null;

export function max(s: Series): number | null {
  let m: number | null = null;
  for (const v of s.v) if (m === null || v > m) m = v;
  return m;
}
