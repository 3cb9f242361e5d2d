import type { ReactNode } from "react";
import type { CheckRow } from "../lib/checks";
import type { Lines } from "../lib/charts";
import { bytes, count, millis, NONE, percent, rate } from "../lib/format";
import type { Overview } from "../lib/overview";
import { last, max } from "../lib/series";

interface FigureProps {
  id: string;
  label: string;
  value: string;
  sub: ReactNode;
  /** The small line also stands below a figure that isn't known. */
  always?: boolean;
  bad?: boolean;
}

function Figure({ id, label, value, sub, always = false, bad = false }: FigureProps) {
  return (
    <div className="figure" data-figure={id}>
      <dt>{label}</dt>
      <dd className={value === NONE ? "dim" : bad ? "is-bad" : ""}>{value}</dd>
      <dd className="sub">{value === NONE && !always ? "\u00a0" : sub}</dd>
    </div>
  );
}

interface Props {
  overview: Overview | null;
  checks: CheckRow[] | null;
  lines: Lines | null;
  maxVus: number | null;
  ended: boolean;
}

export function Figures({ overview: o, checks, lines, maxVus, ended }: Props) {
  const passed = checks?.reduce((sum, c) => sum + c.passed, 0) ?? 0;
  const total = checks?.reduce((sum, c) => sum + c.total, 0) ?? 0;
  const peak = lines ? max(lines.rate) : null;
  const mostVus = lines ? max(lines.vus) : null;
  const vus = ended ? (mostVus ?? maxVus) : lines ? last(lines.vus) : null;
  return (
    <dl className="figures" aria-label="Key figures">
      <Figure id="requests" label="Requests" value={count(o?.requests)} sub={o?.failed ? `${count(o.failed)} failed` : o?.requests != null ? "none failed" : NONE} />
      <Figure id="rate" label="Request rate" value={rate(o?.rate)} sub={`peak ${rate(peak)}`} />
      <Figure id="p95" label="Response time, p95" value={millis(o?.p95)} sub={`median ${millis(o?.p50)} · max ${millis(o?.slowest)}`} />
      <Figure id="failed" label="Failure rate" value={percent(o?.failedShare)} sub="of requests" bad={(o?.failedShare ?? 0) > 0} />
      <Figure id="checks" label="Checks passed" value={total > 0 ? percent(passed / total) : NONE} sub={total > 0 ? `${count(passed)} of ${count(total)}` : ended && checks ? "none made" : "\u00a0"} always bad={total > 0 && passed < total} />
      <Figure id="vus" label={ended ? "Most VUs" : "Virtual users"} value={count(vus)} sub={ended ? `${count(o?.iterations)} iterations` : `of ${count(maxVus)} · ${count(o?.iterations)} iterations`} />
      <Figure id="data" label="Data received" value={bytes(o?.received)} sub={`${bytes(o?.sent)} sent`} />
    </dl>
  );
}
