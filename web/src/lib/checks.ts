import type { MetricSeries } from "../api/types";
import { valueOf } from "./requests";

export interface CheckRow {
  key: string;
  name: string;
  /** "" outside any group; else "Checkout / Pay". */
  group: string;
  passed: number;
  total: number;
}

export function groupName(label: string | undefined): string {
  return (label ?? "").split("::").filter(Boolean).join(" / ");
}

/** The order of first sight is kept within a group; checks outside any group come first. */
export function joinChecks(nonzero: MetricSeries[], total: MetricSeries[]): CheckRow[] {
  const rows = new Map<string, CheckRow>();
  for (const series of total) {
    const name = series.metric["check"] ?? "";
    const group = groupName(series.metric["group"]);
    const key = JSON.stringify([group, name]);
    const row = rows.get(key) ?? { key, name, group, passed: 0, total: 0 };
    row.total += Math.round(valueOf(series) ?? 0);
    rows.set(key, row);
  }
  for (const series of nonzero) {
    const row = rows.get(JSON.stringify([groupName(series.metric["group"]), series.metric["check"] ?? ""]));
    if (row) row.passed += Math.round(valueOf(series) ?? 0);
  }
  return [...rows.values()].sort((a, b) => (a.group < b.group ? -1 : a.group > b.group ? 1 : 0));
}
