import { memo, useDeferredValue, useMemo, useState } from "react";
import { queryAggregate } from "../api/client";
import { useLiveQuery } from "../hooks/useLiveQuery";
import { count, millis, percent, rate } from "../lib/format";
import { filterRequests, joinRequests, requestQueries, sortRequests, type Column, type Figure, type RequestRow, type Sorting } from "../lib/requests";
import { Icon } from "./icons";

const firstRows = 100;
const moreRows = 400;

const columns: { id: Column; label: string; title?: string; num?: boolean }[] = [
  { id: "method", label: "Method" },
  { id: "name", label: "Name" },
  { id: "status", label: "Status" },
  { id: "count", label: "Count", num: true },
  { id: "rate", label: "Rate", num: true, title: "Requests a second" },
  { id: "failed", label: "Failed", num: true, title: "Share of failed requests" },
  { id: "min", label: "Min", num: true },
  { id: "avg", label: "Avg", num: true },
  { id: "p95", label: "p95", num: true },
  { id: "p99", label: "p99", num: true },
  { id: "max", label: "Max", num: true },
];

function statusTone(status: string): string {
  if (status === "0" || status === "") return "bad";
  return status[0] === "5" ? "bad" : status[0] === "4" ? "warn" : "plain";
}

const Row = memo(
  function Row({ row: r }: { row: RequestRow }) {
    return (
      <tr>
        <td className="method">{r.method}</td>
        <td className="req-name">
          <span title={r.name}>{r.name}</span>
        </td>
        <td>
          <span className={`code ${statusTone(r.status)}`} title={r.status === "0" ? "No answer: the request itself failed" : undefined}>
            {r.status === "0" ? "error" : r.status}
          </span>
        </td>
        <td className="num">{count(r.count)}</td>
        <td className="num">{rate(r.rate)}</td>
        <td className={`num ${r.failed ? "is-bad" : ""}`}>{percent(r.failed)}</td>
        <td className="num">{millis(r.min)}</td>
        <td className="num">{millis(r.avg)}</td>
        <td className="num">{millis(r.p95)}</td>
        <td className="num">{millis(r.p99)}</td>
        <td className="num">{millis(r.max)}</td>
      </tr>
    );
  },
  (a, b) => (Object.keys(a.row) as (keyof RequestRow)[]).every((k) => a.row[k] === b.row[k]),
);

export function Requests({ runId, ended, onData }: { runId: number; ended: boolean; onData: (fn: () => void) => () => void }) {
  const { data, error, retry } = useLiveQuery(String(runId), ended, onData, 3000, async (_last: RequestRow[] | null, signal) => {
    const figures = Object.keys(requestQueries) as Figure[];
    const replies = await Promise.all(figures.map((f) => queryAggregate(runId, ...requestQueries[f], signal)));
    return joinRequests(Object.fromEntries(figures.map((f, i) => [f, replies[i]!])) as Parameters<typeof joinRequests>[0]);
  });
  const [sorting, setSorting] = useState<Sorting>({ column: "count", descending: true });
  const [filter, setFilter] = useState("");
  const [limit, setLimit] = useState(firstRows);
  const words = useDeferredValue(filter);

  const found = useMemo(() => sortRequests(filterRequests(data ?? [], words), sorting), [data, words, sorting]);
  const shown = found.slice(0, limit);
  const sortBy = (column: Column, num: boolean) =>
    setSorting((s) => (s.column === column ? { column, descending: !s.descending } : { column, descending: num }));

  return (
    <section aria-labelledby="requests-h" data-section="requests">
      <div className="section-head">
        <h2 id="requests-h">Requests</h2>
        {data !== null && data.length > 0 && (
          <span className="dim" data-count>
            {words ? `${count(found.length)} of ${count(data.length)}` : count(data.length)}
          </span>
        )}
        <label className="filter">
          <span className="sr">Filter by name, method or status</span>
          <Icon name="search" />
          <input type="search" placeholder="Filter by name, method, status" value={filter} onChange={(e) => setFilter(e.target.value)} spellCheck={false} />
        </label>
      </div>
      <div className="panel scroll block" tabIndex={0} role="region" aria-labelledby="requests-h">
        <table className="requests">
          <thead>
            <tr>
              {columns.map(({ id, label, title, num = false }) => (
                <th key={id} scope="col" className={num ? "num" : ""} title={title} aria-sort={sorting.column === id ? (sorting.descending ? "descending" : "ascending") : "none"}>
                  <button type="button" onClick={() => sortBy(id, num)}>
                    {label}
                    <Icon name={sorting.column === id && !sorting.descending ? "up" : "down"} />
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <Row key={row.key} row={row} />
            ))}
          </tbody>
        </table>
        {data === null && (
          <p className="empty">
            {error ?? "Loading…"}{" "}
            {error !== null && (
              <button type="button" className="quiet" onClick={retry}>
                Try again
              </button>
            )}
          </p>
        )}
        {data !== null && data.length === 0 && <p className="empty">{ended ? "This run made no HTTP requests." : "No requests so far."}</p>}
        {data !== null && data.length > 0 && found.length === 0 && <p className="empty">Nothing matches “{words}”.</p>}
        {shown.length < found.length && (
          <p className="cap">
            The first {count(shown.length)} of {count(found.length)} in this order; the filter looks through all.{" "}
            <button type="button" className="quiet" onClick={() => setLimit((n) => n + moreRows)}>
              Show {count(Math.min(moreRows, found.length - shown.length))} more
            </button>
          </p>
        )}
      </div>
    </section>
  );
}
