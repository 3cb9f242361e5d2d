import type { MetricSeries } from "../api/types";

/** A row of the table of requests: what was asked, and how it went. Times in ms. */
export interface RequestRow {
  key: string;
  name: string;
  method: string;
  status: string;
  count: number | null;
  rate: number | null;
  /** 0..1 */
  failed: number | null;
  min: number | null;
  avg: number | null;
  p95: number | null;
  p99: number | null;
  max: number | null;
}

export type Figure = "count" | "rate" | "failed" | "min" | "avg" | "p95" | "p99" | "max";
export type Column = "name" | "method" | "status" | Figure;

export const BY = "by (name,method,status)";

export const requestQueries: Record<Figure, [query: string, metric: string]> = {
  count: [`increase ${BY}`, "http_reqs"],
  rate: [`rate ${BY}`, "http_reqs"],
  failed: [`ratio ${BY}`, "http_req_failed"],
  min: [`histogram_min ${BY}`, "http_req_duration"],
  avg: [`histogram_avg ${BY}`, "http_req_duration"],
  p95: [`histogram_quantile(0.95) ${BY}`, "http_req_duration"],
  p99: [`histogram_quantile(0.99) ${BY}`, "http_req_duration"],
  max: [`histogram_max ${BY}`, "http_req_duration"],
};

/** The last value of a vector's series, or null. */
export function valueOf(series: MetricSeries | undefined): number | null {
  const pair = series?.value ?? series?.values?.[series.values.length - 1];
  if (!pair || pair[1] === null) return null;
  const n = Number(pair[1]);
  return Number.isFinite(n) ? n : null;
}

export function joinRequests(replies: Record<Figure, MetricSeries[]>): RequestRow[] {
  const rows = new Map<string, RequestRow>();
  for (const figure of Object.keys(replies) as Figure[]) {
    for (const series of replies[figure]) {
      const { name = "", method = "", status = "" } = series.metric;
      const key = JSON.stringify([name, method, status]);
      let row = rows.get(key);
      if (!row) {
        row = { key, name, method, status, count: null, rate: null, failed: null, min: null, avg: null, p95: null, p99: null, max: null };
        rows.set(key, row);
      }
      row[figure] = valueOf(series);
    }
  }
  return [...rows.values()];
}

export interface Sorting {
  column: Column;
  descending: boolean;
}

const text = new Intl.Collator("en", { numeric: true });

/** Rows without a figure come last, whichever the direction. */
export function sortRequests(rows: readonly RequestRow[], { column, descending }: Sorting): RequestRow[] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const x = a[column];
    const y = b[column];
    let order: number;
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    if (typeof x === "number" && typeof y === "number") order = x - y;
    else order = text.compare(String(x), String(y));
    return order * sign || text.compare(a.name, b.name) || text.compare(a.method, b.method) || text.compare(a.status, b.status);
  });
}

/** Every word must stand in the name, the method or the status. */
export function filterRequests(rows: readonly RequestRow[], words: string): RequestRow[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [...rows];
  return rows.filter((row) => {
    const hay = `${row.method} ${row.status} ${row.name}`.toLowerCase();
    return wanted.every((w) => hay.includes(w));
  });
}
