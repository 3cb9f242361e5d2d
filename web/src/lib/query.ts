/** The metrics API's call form: parameters in parentheses, strings in single quotes. */

export interface RangeParams {
  query: string;
  metric: string;
  /** Seconds. */
  step: number;
  /** Unix seconds; the run's own start by default. */
  start?: number | undefined;
  end?: number | undefined;
}

const quote = (s: string) => `'${s.replace(/'/g, "''")}'`;
const iso = (unixSeconds: number) => new Date(unixSeconds * 1000).toISOString().replace(".000Z", "Z");

/** Percent-encodes what may not stand in a path, and leaves the call form readable. */
function encode(call: string): string {
  return encodeURIComponent(call).replace(/%(28|29|27|2C|3D|3A|7B|7D)/g, (hex) => decodeURIComponent(hex));
}

export function rangeCall(p: RangeParams): string {
  const parts = [`query=${quote(p.query)}`, `metric=${quote(p.metric)}`, `step=${p.step}`];
  if (p.start !== undefined) parts.push(`start=${iso(p.start)}`);
  if (p.end !== undefined) parts.push(`end=${iso(p.end)}`);
  return encode(`query_range_k6(${parts.join(",")})`);
}

export function aggregateCall(query: string, metric: string): string {
  return encode(`query_aggregate_k6(query=${quote(query)},metric=${quote(metric)})`);
}
