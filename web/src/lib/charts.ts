/** Which lines a run's charts have, and how their data is asked for and grown. */
import type { MetricSeries } from "../api/types";
import type { RangeParams } from "./query";
import { emptySeries, extend, fromPairs, stepFor, steps, zeroWhere, type Series } from "./series";

export const lines = {
  vus: ["sum(last by (instance_id))", "vus"],
  rate: ["rate", "http_reqs"],
  p50: ["histogram_quantile(0.5)", "http_req_duration"],
  p95: ["histogram_quantile(0.95)", "http_req_duration"],
  p99: ["histogram_quantile(0.99)", "http_req_duration"],
  avg: ["histogram_avg", "http_req_duration"],
  failed: ["ratio", "http_req_failed"],
} as const satisfies Record<string, readonly [query: string, metric: string]>;

export type LineId = keyof typeof lines;
export type Lines = Record<LineId, Series>;

export interface ChartData {
  /** Seconds between points. */
  step: number;
  lines: Lines;
  /** ms; when everything was last asked for from the start. */
  wholeAt: number;
}

/** Late data changes the past, if not by much: the last buckets are asked for again each time, all of it now and then. */
const overlapSteps = 5;
const wholeEveryMs = 60_000;

export interface ChartRequest {
  step: number;
  /** Unix seconds; undefined for everything. */
  from: number | undefined;
}

export function nextRequest(last: ChartData | null, runSeconds: number, nowMs: number): ChartRequest {
  const step = stepFor(runSeconds);
  if (!last || last.step !== step || nowMs - last.wholeAt > wholeEveryMs) return { step, from: undefined };
  const newest = Math.max(-Infinity, ...Object.values(last.lines).map((s) => s.t[s.t.length - 1] ?? -Infinity));
  if (!Number.isFinite(newest)) return { step, from: undefined };
  return { step, from: newest - overlapSteps * step };
}

export async function loadCharts(
  last: ChartData | null,
  runSeconds: number,
  nowMs: number,
  ended: boolean,
  ask: (params: RangeParams) => Promise<MetricSeries[]>,
): Promise<ChartData> {
  const { step, from } = nextRequest(last, runSeconds, nowMs);
  const ids = Object.keys(lines) as LineId[];
  const answers = await Promise.all(ids.map((id) => ask({ query: lines[id][0], metric: lines[id][1], step, start: from })));
  const grown = {} as Lines;
  for (const [i, id] of ids.entries()) {
    const came = fromPairs(answers[i]![0]?.values ?? []);
    // A server may widen the range to whole steps; what lies before it stays as it was.
    const start = from === undefined ? -Infinity : Math.min(from, came.t[0] ?? from);
    grown[id] = from === undefined ? came : extend(last?.lines[id] ?? emptySeries, start, came);
  }
  grown.rate = zeroWhere(grown.rate, grown.vus);
  // The last of several buckets' worth isn't full yet: its rate would drop and rise again.
  if (!ended && step > steps[0]!) grown.rate = { t: grown.rate.t.slice(0, -1), v: grown.rate.v.slice(0, -1) };
  return { step, lines: grown, wholeAt: from === undefined ? nowMs : last!.wholeAt };
}

/** First and last moment of any line, unix seconds. */
export function extent(data: Lines): [number, number] | null {
  let from = Infinity;
  let to = -Infinity;
  for (const s of Object.values(data)) {
    if (s.t.length === 0) continue;
    from = Math.min(from, s.t[0]!);
    to = Math.max(to, s.t[s.t.length - 1]!);
  }
  return to >= from ? [from, to] : null;
}
