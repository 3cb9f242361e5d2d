/** Virtual user hours in words. */
import type { Limits, Usage } from "../api/accounts";
import { NONE, duration } from "./format";

/** 0.75 VUh; small ones with more digits, so that what was used never reads as nothing. */
export function vuh(v: number | null | undefined): string {
  if (v == null || !Number.isFinite(v)) return NONE;
  if (v === 0) return "0";
  if (v < 0.01) return "<0.01";
  if (v < 100) return String(Number(v.toFixed(2)));
  return Math.round(v).toLocaleString("en-US");
}

/** 2026-11 as "November 2026". */
export function monthName(month: string): string {
  const [year, m] = month.split("-").map(Number);
  if (!year || !m) return month;
  return new Intl.DateTimeFormat("en-US", { month: "long", year: "numeric", timeZone: "UTC" }).format(Date.UTC(year, m - 1, 1));
}

/** The month of a moment, UTC. */
export function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}

/** The month so many before that one. */
export function monthsBefore(month: string, n: number): string {
  const [year, m] = month.split("-").map(Number) as [number, number];
  return monthOf(Date.UTC(year, m - 1 - n, 15));
}

/** How full the month is, 0..1; null without a limit. */
export function share(u: Usage | undefined, limits: Limits | undefined): number | null {
  const max = limits?.vuh_max_per_month ?? null;
  return max === null ? null : Math.min(1, (u?.vuh ?? 0) / max);
}

/** The other limits, in one line; "" when there are none. */
export function limitWords(l: Limits | undefined): string {
  const words = [];
  if (l?.vu_max_per_test) words.push(`${l.vu_max_per_test} VUs`);
  if (l?.vu_browser_max_per_test) words.push(`${l.vu_browser_max_per_test} browsers`);
  if (l?.duration_max_per_test) words.push(duration(l.duration_max_per_test));
  return words.join(", ");
}
