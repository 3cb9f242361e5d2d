import { useEffect, useMemo, useState } from "react";
import { queryAggregate, queryRange, serverNow } from "../api/client";
import type { TestRun } from "../api/types";
import { Chart, type ChartSeries } from "../components/Chart";
import { Checks } from "../components/Checks";
import { Figures } from "../components/Figures";
import { Notice } from "../components/Notice";
import { Requests } from "../components/Requests";
import { Script } from "../components/Script";
import { ResultPill, StatePill } from "../components/StatePill";
import { StreamLight } from "../components/StreamLight";
import { Thresholds } from "../components/Thresholds";
import { useLiveQuery } from "../hooks/useLiveQuery";
import { useNow } from "../hooks/useNow";
import { useRun, type LiveRun } from "../hooks/useRun";
import { useTestName } from "../hooks/useTestName";
import { extent, loadCharts, type ChartData, type LineId } from "../lib/charts";
import { joinChecks } from "../lib/checks";
import { ago, compact, count, duration, millis, moment, percent, rate } from "../lib/format";
import { overviewQueries, type Overview } from "../lib/overview";
import { valueOf } from "../lib/requests";
import { emptySeries, max } from "../lib/series";
import { durationSeconds, endedMs, runResult, runState, startedMs } from "../lib/status";
import { vuh } from "../lib/usage";
import { Link } from "../router";

export function RunPage({ id }: { id: number }) {
  const live = useRun(id);
  if (live.run) return <Run live={live} run={live.run} />;
  return (
    <main className="page">
      <nav className="crumbs" aria-label="Breadcrumb">
        <Link href="/runs">Runs</Link> <span aria-hidden="true">/</span> <span>#{id}</span>
      </nav>
      {live.error?.status === 404 ? (
        <div className="panel first">
          <h2>There is no run {id}</h2>
          <p>
            It may have been deleted, or it is on another server. <Link href="/runs">All runs</Link>
          </p>
        </div>
      ) : live.error ? (
        <Notice tone="bad" action="Try again" onAction={live.retry}>
          The run can't be loaded. {live.error.message}
        </Notice>
      ) : (
        <div className="panel skeleton" aria-busy="true" aria-label="Loading the run" />
      )}
    </main>
  );
}

function Run({ live, run }: { live: LiveRun; run: TestRun }) {
  const state = runState(run);
  const result = runResult(run.result);
  const name = useTestName(run.test_id);
  const key = String(run.id);

  const charts = useLiveQuery(key, state.ended, live.onData, 1000, (last: ChartData | null, signal) => {
    const now = serverNow();
    return loadCharts(last, durationSeconds(run, now) ?? 0, now, state.ended, (params) => queryRange(run.id, params, signal));
  });
  const overview = useLiveQuery(key, state.ended, live.onData, 2500, async (_last: Overview | null, signal) => {
    const entries = Object.entries(overviewQueries).map(async ([id, [query, metric]]) => {
      const series = await queryAggregate(run.id, query, metric, signal);
      return [id, valueOf(series[0])] as const;
    });
    return Object.fromEntries(await Promise.all(entries)) as Overview;
  });
  const checks = useLiveQuery(key, state.ended, live.onData, 2500, async (_last: ReturnType<typeof joinChecks> | null, signal) => {
    const by = "by (check,group)";
    const [nonzero, total] = await Promise.all([
      queryAggregate(run.id, `increase_nz ${by}`, "checks", signal),
      queryAggregate(run.id, `increase_total ${by}`, "checks", signal),
    ]);
    return joinChecks(nonzero, total);
  });

  useEffect(() => {
    const mark = state.ended ? "" : "● ";
    document.title = `${mark}${name ?? "Run"} #${run.id} · Spate`;
  }, [state.ended, name, run.id]);

  const failed = charts.error ?? overview.error ?? checks.error;
  return (
    <main className="page" data-run={run.id}>
      <nav className="crumbs" aria-label="Breadcrumb">
        <Link href="/runs">Runs</Link> <span aria-hidden="true">/</span> <Link href={`/tests/${run.test_id}`}>{name ?? "Test"}</Link> <span aria-hidden="true">/</span>{" "}
        <span>#{run.id}</span>
      </nav>
      <div className="page-head run-head">
        <h1 title={name ?? undefined}>{name ?? "\u00a0"}</h1>
        <div className="pills" role="status">
          <StatePill state={state} />
          <ResultPill result={result} />
        </div>
        <StreamLight state={live.stream} />
      </div>
      <Facts run={run} ended={state.ended} running={state.code === 2} />
      {state.ended && state.message && state.code !== 3 && <Notice tone={state.tone}>{state.message}</Notice>}
      {failed !== null && live.stream !== "reconnecting" && (
        <Notice tone="bad" action="Try again" onAction={() => [charts, overview, checks].forEach((q) => q.error !== null && q.retry())}>
          Some figures can't be loaded. {failed}
        </Notice>
      )}
      <Figures overview={overview.data} checks={checks.data} lines={charts.data?.lines ?? null} maxVus={run.max_vus} ended={state.ended} />
      <Charts data={charts.data} overview={overview.data} run={run} />
      <div className="two">
        <Thresholds runId={run.id} ended={state.ended} onData={live.onData} />
        <Checks rows={checks.data} ended={state.ended} />
      </div>
      <Requests runId={run.id} ended={state.ended} onData={live.onData} />
      <Script runId={run.id} epoch={state.code} />
    </main>
  );
}

function Facts({ run, ended, running }: { run: TestRun; ended: boolean; running: boolean }) {
  const now = useNow(!ended);
  const started = startedMs(run);
  const startIso = started === null ? run.created : new Date(started).toISOString();
  const seconds = durationSeconds(run, now);
  const planned = running && run.estimated_duration && run.estimated_duration > 0 ? run.estimated_duration : null;
  return (
    <dl className="facts">
      <div>
        <dt>{started === null ? "Created" : "Started"}</dt>
        <dd title={startIso}>
          {moment(startIso)} <span className="dim">{ago(startIso, now)}</span>
        </dd>
      </div>
      <div>
        <dt>Duration</dt>
        <dd className="ticking">
          {duration(seconds)}
          {planned !== null && <span className="dim"> of {duration(planned)}</span>}
        </dd>
      </div>
      <div>
        <dt>Max VUs</dt>
        <dd>{count(run.max_vus)}</dd>
      </div>
      {run.cost && (
        <div>
          <dt title="Virtual users × started minutes / 60; as planned until the run has ended">VU hours</dt>
          <dd>{vuh(Number(run.cost.total_vuh))}</dd>
        </div>
      )}
      {run.started_by && (
        <div>
          <dt>Started by</dt>
          <dd>{run.started_by}</dd>
        </div>
      )}
      {run.note && (
        <div>
          <dt>Note</dt>
          <dd>{run.note}</dd>
        </div>
      )}
    </dl>
  );
}

interface LineSpec {
  id: LineId;
  label: string;
  color: string;
  fill?: boolean;
}

const vusLines: LineSpec[] = [{ id: "vus", label: "VUs", color: "--line-vus", fill: true }];
const rateLines: LineSpec[] = [{ id: "rate", label: "Requests", color: "--line-rate", fill: true }];
const timeLines: LineSpec[] = [
  { id: "p95", label: "p95", color: "--line-p95" },
  { id: "p50", label: "median", color: "--line-p50" },
  { id: "p99", label: "p99", color: "--line-p99" },
  { id: "avg", label: "avg", color: "--line-avg" },
];
const failedLines: LineSpec[] = [{ id: "failed", label: "Failed", color: "--line-failed", fill: true }];

const axisMillis = (v: number) => (v >= 1000 ? `${compact(v / 1000)} s` : `${compact(v)} ms`);
const axisRate = (v: number) => `${compact(v)}/s`;
const axisPercent = (v: number) => `${compact(v * 100)}%`;

/** A run that has just begun isn't stretched over the whole width. */
const shortestSeconds = 60;

function Charts({ data, overview, run }: { data: ChartData | null; overview: Overview | null; run: TestRun }) {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set(["p99", "avg"]));
  const [zoom, setZoom] = useState<[number, number] | null>(null);
  const seen = useMemo(() => (data ? extent(data.lines) : null), [data]);
  const started = startedMs(run) ?? Date.parse(run.created);
  const step = data?.step ?? 3;
  const ended = endedMs(run) !== null;

  const origin = seen ? Math.min(seen[0], Math.floor(started / 1000)) : Math.floor(started / 1000);
  const from = seen?.[0] ?? origin;
  const to = Math.max(seen?.[1] ?? origin, from + (ended && seen && seen[1] > from ? 0 : shortestSeconds));
  const [zoomFrom, zoomTo] = zoom ?? [from, to];
  const range = useMemo(() => [zoomFrom, zoomTo] as const, [zoomFrom, zoomTo]);

  const charts = useMemo(() => {
    const whole = (id: LineId) => (id === "vus" ? data && max(data.lines.vus) : overview && overview[id === "failed" ? "failedShare" : id]);
    const build = (specs: LineSpec[]): ChartSeries[] =>
      specs.map((s) => ({ ...s, data: data?.lines[s.id] ?? emptySeries, shown: !hidden.has(s.id), whole: whole(s.id) }));
    return { vus: build(vusLines), rate: build(rateLines), times: build(timeLines), failed: build(failedLines) };
  }, [data, overview, hidden]);

  const toggle = (id: string) =>
    setHidden((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      // An empty chart helps nobody: the last line stays.
      return timeLines.every((l) => next.has(l.id)) ? old : next;
    });
  const shared = { step, range, origin, loaded: data !== null, live: !ended, onZoom: setZoom };
  return (
    <section className="charts" aria-label="Charts">
      <div className="section-head">
        <h2>Over time</h2>
        <span className="dim">
          {zoom ? (
            <button type="button" className="quiet" onClick={() => setZoom(null)}>
              Show the whole run
            </button>
          ) : (
            <span className="hint">drag to zoom</span>
          )}
        </span>
      </div>
      <div className="chart-grid">
        <Chart {...shared} title="Response time" series={charts.times} format={millis} formatAxis={axisMillis} floor={1} offerLog onToggle={toggle} />
        <Chart {...shared} title="Request rate" series={charts.rate} format={rate} formatAxis={axisRate} floor={1} />
        <Chart {...shared} title="Virtual users" series={charts.vus} format={count} formatAxis={compact} floor={2} />
        <Chart {...shared} title="Failure rate" series={charts.failed} format={percent} formatAxis={axisPercent} floor={0.05} ceiling={1} />
      </div>
    </section>
  );
}
