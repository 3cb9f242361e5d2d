import { Fragment, useState } from "react";
import type { CheckRow } from "../lib/checks";
import { count, percent } from "../lib/format";
import { Icon } from "./icons";

const cap = 200;

function Row({ check: c }: { check: CheckRow }) {
  const share = c.total > 0 ? c.passed / c.total : 0;
  const good = c.total > 0 && c.passed === c.total;
  return (
    <tr data-check={c.name}>
      <td className={`verdict tone-${good ? "good" : "bad"}`}>
        <Icon name={good ? "check" : "cross"} />
        <span className="sr">{good ? "all passed" : "some failed"}</span>
      </td>
      <td className="wrap">
        {c.name}
        <div className="bar" aria-hidden="true">
          <i style={{ width: `${share * 100}%` }} />
        </div>
      </td>
      <td className="num dim" title={`${count(c.passed)} passed, ${count(c.total - c.passed)} failed`}>
        {count(c.passed)} / {count(c.total)}
      </td>
      <td className={`num ${good ? "" : "is-bad"}`}>{percent(share)}</td>
    </tr>
  );
}

export function Checks({ rows, ended }: { rows: CheckRow[] | null; ended: boolean }) {
  const [all, setAll] = useState(false);
  const passing = rows?.filter((c) => c.passed === c.total).length ?? 0;
  const shown = rows === null || all ? rows : rows.slice(0, cap);
  return (
    <section aria-labelledby="checks-h" data-section="checks">
      <div className="section-head">
        <h2 id="checks-h">Checks</h2>
        {rows !== null && rows.length > 0 && (
          <span className={passing < rows.length ? "is-bad" : "dim"}>
            {passing < rows.length ? `${rows.length - passing} of ${rows.length} with failures` : `${rows.length} of ${rows.length} always passed`}
          </span>
        )}
      </div>
      <div className="panel block">
        {shown === null ? (
          <p className="empty">Loading…</p>
        ) : shown.length === 0 ? (
          <p className="empty">{ended ? "This run made no checks." : "No checks so far."}</p>
        ) : (
          <table>
            <thead className="sr">
              <tr>
                <th scope="col">Result</th>
                <th scope="col">Check</th>
                <th scope="col">Passed of all</th>
                <th scope="col">Share</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((c, i) => (
                <Fragment key={c.key}>
                  {c.group !== "" && c.group !== shown[i - 1]?.group && (
                    <tr className="group">
                      <th scope="rowgroup" colSpan={4}>
                        {c.group}
                      </th>
                    </tr>
                  )}
                  <Row check={c} />
                </Fragment>
              ))}
            </tbody>
          </table>
        )}
        {rows !== null && shown !== null && shown.length < rows.length && (
          <p className="cap">
            {count(shown.length)} of {count(rows.length)} checks.{" "}
            <button type="button" className="quiet" onClick={() => setAll(true)}>
              Show all
            </button>
          </p>
        )}
      </div>
    </section>
  );
}
