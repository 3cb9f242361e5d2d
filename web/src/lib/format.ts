/** How quantities are written. Every function takes what the API gives and returns short, stable text. */

/** Stands where a figure isn't known yet. */
export const NONE = "–";

const known = (v: number | null | undefined): v is number => v != null && Number.isFinite(v);

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 12,345 */
export function count(v: number | null | undefined): string {
  return known(v) ? grouped.format(Math.round(v)) : NONE;
}

/** Three significant digits with thousands as k, M, G: 1.23k. For axes and tight places. */
export function compact(v: number | null | undefined): string {
  if (!known(v)) return NONE;
  const a = Math.abs(v);
  if (a >= 999.5e6) return `${trim(v / 1e9, 2)}G`;
  if (a >= 999.5e3) return `${trim(v / 1e6, 2)}M`;
  if (a >= 1e4) return `${trim(v / 1e3, 1)}k`;
  return trim(v, a >= 100 ? 0 : a >= 10 ? 1 : 2);
}

function trim(v: number, digits: number): string {
  return String(Number(v.toFixed(digits)));
}

/** Requests a second: 0.33/s, 45.2/s, 1,234/s. */
export function rate(v: number | null | undefined): string {
  if (!known(v)) return NONE;
  if (v >= 100) return `${grouped.format(Math.round(v))}/s`;
  return `${v.toFixed(v >= 10 ? 1 : 2)}/s`;
}

/** Milliseconds as people read them: 0.42 ms, 4.21 ms, 123 ms, 1.24 s, 2m 05s. */
export function millis(v: number | null | undefined): string {
  if (!known(v)) return NONE;
  if (v < 0.0005) return "0 ms";
  if (v < 9.995) return `${v.toFixed(2)} ms`;
  if (v < 99.95) return `${v.toFixed(1)} ms`;
  if (v < 999.5) return `${v.toFixed(0)} ms`;
  if (v < 59_995) return `${(v / 1000).toFixed(v < 9_995 ? 2 : 1)} s`;
  return duration(v / 1000);
}

/** A share 0..1: 0 %, 0.02 %, 3.4 %, 100 %. What isn't nothing never reads as 0, nor what isn't all as 100. */
export function percent(v: number | null | undefined): string {
  if (!known(v)) return NONE;
  if (v <= 0) return "0%";
  if (v >= 1) return "100%";
  const p = v * 100;
  if (p < 0.01) return "<0.01%";
  if (p > 99.99) return ">99.99%";
  if (p < 1 || p > 99) return `${p.toFixed(2)}%`;
  return `${p.toFixed(1)}%`;
}

/** Bytes in decimal units, as the console summary has them: 1.2 MB. */
export function bytes(v: number | null | undefined): string {
  if (!known(v)) return NONE;
  let n = v;
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (n < 999.5 || unit === "TB") return `${unit === "B" || n >= 100 ? n.toFixed(0) : n.toFixed(1)} ${unit}`;
    n /= 1000;
  }
  return NONE;
}

/** Seconds: 8s, 1m 05s, 2h 03m, 3d 04h. */
export function duration(seconds: number | null | undefined): string {
  if (!known(seconds)) return NONE;
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ${two(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86400)}d ${two(Math.floor((s % 86400) / 3600))}h`;
}

/** The clock of a moment, in the reader's zone: 09:12:33. */
export function clock(unixSeconds: number): string {
  const d = new Date(unixSeconds * 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

const sameYear = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric" });
const otherYear = new Intl.DateTimeFormat("en-US", { year: "numeric", month: "short", day: "numeric" });

/** Nov 22, 09:12:33; with the year when it isn't this one. */
export function moment(iso: string | null | undefined, now = new Date()): string {
  if (!iso) return NONE;
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return NONE;
  const day = (d.getFullYear() === now.getFullYear() ? sameYear : otherYear).format(d);
  return `${day}, ${clock(d.getTime() / 1000)}`;
}

/** just now, 4 min ago, 3 h ago, 2 days ago. */
export function ago(iso: string, nowMs: number): string {
  const s = (nowMs - Date.parse(iso)) / 1000;
  if (!Number.isFinite(s)) return "";
  if (s < 45) return "just now";
  if (s < 3570) return `${Math.max(1, Math.round(s / 60))} min ago`;
  if (s < 86_000) return `${Math.round(s / 3600)} h ago`;
  const days = Math.round(s / 86400);
  return `${days} ${days === 1 ? "day" : "days"} ago`;
}
