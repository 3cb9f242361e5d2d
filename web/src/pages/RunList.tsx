import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, listRuns, queryAggregate } from "../api/client";
import { openStream, type StreamState } from "../api/events";
import type { TestRun } from "../api/types";
import { Notice } from "../components/Notice";
import { ResultPill, StatePill } from "../components/StatePill";
import { StreamLight } from "../components/StreamLight";
import { Copy } from "../components/Copy";
import { useNow } from "../hooks/useNow";
import { useTestName } from "../hooks/useTestName";
import { ago, count, duration, millis, moment, percent } from "../lib/format";
import { valueOf } from "../lib/requests";
import { durationSeconds, fresher, runResult, runState, startedMs } from "../lib/status";
import { Link } from "../router";

const pageSize = 50;
const figuresEveryMs = 5000;

interface Figures {
  p95: number | null;
  failed: number | null;
}

/** What has ended doesn't change: asked for once as long as the page lives. */
const finished = new Map<number, Figures>();

async function loadFigures(id: number, signal: AbortSignal): Promise<Figures> {
  const [p95, failed] = await Promise.all([
    queryAggregate(id, "histogram_quantile(0.95)", "http_req_duration", signal),
    queryAggregate(id, "ratio", "http_req_failed", signal),
  ]);
  return { p95: valueOf(p95[0]), failed: valueOf(failed[0]) };
}

/** Figures of a row, asked for once it is in view, and again while its run goes on. */
function useFigures(id: number, ended: boolean, begun: boolean, visible: boolean): Figures | null {
  const [figures, setFigures] = useState<Figures | null>(finished.get(id) ?? null);
  useEffect(() => {
    if (!visible || !begun || finished.has(id)) return;
    const aborter = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const load = async () => {
      try {
        const fresh = document.visibilityState === "hidden" ? null : await loadFigures(id, aborter.signal);
        if (fresh) setFigures(fresh);
        if (fresh && ended) {
          finished.set(id, fresh);
          return;
        }
      } catch {
        // Tried again like everything that goes on.
        if (aborter.signal.aborted) return;
      }
      timer = setTimeout(() => void load(), figuresEveryMs);
    };
    void load();
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [id, ended, begun, visible]);
  return figures;
}

function useVisible<T extends Element>() {
  const ref = useRef<T>(null);
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const seen = new IntersectionObserver(([entry]) => setVisible(entry?.isIntersecting ?? false), { rootMargin: "200px" });
    seen.observe(ref.current!);
    return () => seen.disconnect();
  }, []);
  return { ref, visible };
}

function Row({ run }: { run: TestRun }) {
  const state = runState(run);
  const running = state.code === 2 && !state.ended;
  const name = useTestName(run.test_id);
  const now = useNow(running);
  const { ref, visible } = useVisible<HTMLTableRowElement>();
  const figures = useFigures(run.id, state.ended, startedMs(run) !== null || state.ended, visible);
  const started = startedMs(run);
  const startIso = started === null ? run.created : new Date(started).toISOString();
  return (
    <tr ref={ref} data-run={run.id}>
      <td className="run-name">
        <Link href={`/runs/${run.id}`} title={name ?? undefined}>
          {name ?? "\u00a0"}
        </Link>
        <span className="id">#{run.id}</span>
      </td>
      <td>
        <StatePill state={state} />
      </td>
      <td>
        <ResultPill result={runResult(run.result)} />
      </td>
      <td title={`${ago(startIso, now)} · ${startIso}`}>
        <time dateTime={startIso}>{moment(startIso)}</time>
      </td>
      <td className="num">{duration(durationSeconds(run, now))}</td>
      <td className="num">{count(run.max_vus)}</td>
      <td className="num">{millis(figures?.p95)}</td>
      <td className={`num ${figures?.failed ? "is-bad" : ""}`}>{percent(figures?.failed)}</td>
    </tr>
  );
}

/** Newest first. */
function merge(known: TestRun[], came: TestRun[]): TestRun[] {
  const byId = new Map(known.map((run) => [run.id, run]));
  for (const run of came) byId.set(run.id, fresher(byId.get(run.id), run));
  return [...byId.values()].sort((a, b) => Date.parse(b.created) - Date.parse(a.created) || b.id - a.id);
}

/** All runs, or those of one test. */
export function RunList({ test = null }: { test?: number | null }) {
  const name = useTestName(test ?? undefined);
  const [runs, setRuns] = useState<TestRun[] | null>(null);
  const [total, setTotal] = useState(0);
  const [error, setError] = useState<string | null>(null);
  const [loadingMore, setLoadingMore] = useState(false);
  const [stream, setStream] = useState<StreamState | null>(null);
  const known = useRef(new Set<number>());

  useEffect(() => {
    document.title = `${name ?? "Runs"} · Spate`;
  }, [name]);

  const load = useCallback(async (skip: number, signal?: AbortSignal) => {
    try {
      const page = await listRuns(skip, pageSize, signal, test);
      for (const run of page.value) known.current.add(run.id);
      setRuns((old) => merge(old ?? [], page.value));
      setTotal((n) => page["@count"] ?? Math.max(n, skip + page.value.length));
      setError(null);
    } catch (cause) {
      if (signal?.aborted) return;
      setError(cause instanceof ApiError ? cause.message : String(cause));
    }
  }, [test]);

  useEffect(() => {
    const aborter = new AbortController();
    void load(0, aborter.signal);
    const close = openStream("/cloud/v5/test_runs/events", ["run"], {
      state: setStream,
      open: (again) => {
        if (again) void load(0, aborter.signal);
      },
      event(_name, data) {
        const run = data as TestRun;
        if (test !== null && run.test_id !== test) return;
        if (!known.current.has(run.id)) {
          known.current.add(run.id);
          setTotal((n) => n + 1);
        }
        setRuns((old) => merge(old ?? [], [run]));
      },
    });
    return () => {
      aborter.abort();
      close();
    };
  }, [load, test]);

  const more = async () => {
    setLoadingMore(true);
    await load(runs?.length ?? 0);
    setLoadingMore(false);
  };

  return (
    <main className="page">
      <div className="page-head">
        <h1>{test === null ? "Runs" : (name ?? "\u00a0")}</h1>
        {runs !== null && runs.length > 0 && <span className="count">{count(Math.max(total, runs.length))}</span>}
        <StreamLight state={stream} />
      </div>
      {error !== null && (
        <Notice tone="bad" action="Try again" onAction={() => void load(0)}>
          The runs can't be loaded. {error}
        </Notice>
      )}
      {runs === null && error === null && <div className="panel skeleton" aria-busy="true" aria-label="Loading runs" />}
      {runs !== null && runs.length === 0 && (test === null ? <FirstRun /> : <p className="dim">This test has no runs yet.</p>)}
      {runs !== null && runs.length > 0 && (
        <div className="panel scroll" tabIndex={0} role="region" aria-label="Runs">
          <table className="runs">
            <thead>
              <tr>
                <th scope="col">Test</th>
                <th scope="col">State</th>
                <th scope="col">Result</th>
                <th scope="col">Started</th>
                <th scope="col" className="num">Duration</th>
                <th scope="col" className="num" title="Most virtual users at a time">Max VUs</th>
                <th scope="col" className="num" title="95 % of the requests were answered within that time">p95</th>
                <th scope="col" className="num" title="Share of failed requests">Failed</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <Row key={run.id} run={run} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {runs !== null && runs.length > 0 && runs.length < total && (
        <div className="more">
          <button type="button" onClick={() => void more()} disabled={loadingMore}>
            {loadingMore ? "Loading…" : "Show older runs"}
          </button>
          <span>
            {count(runs.length)} of {count(total)}
          </span>
        </div>
      )}
    </main>
  );
}

function FirstRun() {
  const login = `spate cloud login --host ${window.location.origin} --token <token>`;
  const run = "spate run --out cloud script.js";
  return (
    <div className="panel first">
      <h2>No runs yet</h2>
      <p>Stream one from where your script is. It shows up here as soon as it starts.</p>
      {[login, run].map((command) => (
        <div className="command" key={command}>
          <code>{command}</code>
          <Copy text={command} label="Copy this command" />
        </div>
      ))}
      <p className="dim">
        A <code>k6</code> binary streams here too, with <code>K6_CLOUD_HOST={window.location.origin}</code> (of v2 also <code>K6_CLOUD_HOST_V6</code>) and <code>K6_CLOUD_TOKEN</code> in its environment.
      </p>
    </div>
  );
}
