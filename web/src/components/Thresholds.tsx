import { getThresholds } from "../api/client";
import type { Threshold } from "../api/types";
import { useLiveQuery } from "../hooks/useLiveQuery";
import { selectorText, thresholdValue } from "../lib/thresholds";
import { Icon } from "./icons";

function Row({ threshold: t }: { threshold: Threshold }) {
  const verdict = t.result === "passed" ? "good" : t.result === "failed" ? "bad" : "idle";
  return (
    <tr data-result={t.result ?? "pending"}>
      <td className={`verdict tone-${verdict}`}>
        <Icon name={verdict === "good" ? "check" : verdict === "bad" ? "cross" : "dash"} />
        <span className="sr">{t.result ?? "not decided yet"}</span>
      </td>
      <td className="wrap">
        <span className="mono">{t.metric}</span>
        {t.selector && <span className="mono dim">{selectorText(t.selector)}</span>} <span className="mono expr">{t.expression}</span>
      </td>
      <td className={`num ${verdict === "bad" ? "is-bad" : ""}`}>{thresholdValue(t)}</td>
    </tr>
  );
}

export function Thresholds({ runId, ended, onData }: { runId: number; ended: boolean; onData: (fn: () => void) => () => void }) {
  const { data, error } = useLiveQuery(String(runId), ended, onData, 2500, (_last: Threshold[] | null, signal) => getThresholds(runId, signal));
  const passed = data?.filter((t) => t.result === "passed").length ?? 0;
  const failed = data?.filter((t) => t.result === "failed").length ?? 0;
  return (
    <section aria-labelledby="thresholds-h" data-section="thresholds">
      <div className="section-head">
        <h2 id="thresholds-h">Thresholds</h2>
        {data !== null && data.length > 0 && (
          <span className={failed > 0 ? "is-bad" : "dim"}>{failed > 0 ? `${failed} of ${data.length} crossed` : passed > 0 ? `${passed} of ${data.length} held` : ended ? "" : "decided as the run goes on"}</span>
        )}
      </div>
      <div className="panel block">
        {data === null ? (
          <p className="empty">{error ?? "Loading…"}</p>
        ) : data.length === 0 ? (
          <p className="empty">
            The script has none. A threshold such as <code>http_req_duration: ['p(95)&lt;500']</code> decides whether a run passed.
          </p>
        ) : (
          <table>
            <thead className="sr">
              <tr>
                <th scope="col">Result</th>
                <th scope="col">Threshold</th>
                <th scope="col">Value</th>
              </tr>
            </thead>
            <tbody>
              {data.map((t) => (
                <Row key={`${t.metric} ${t.selector} ${t.expression}`} threshold={t} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}
