import { useState } from "react";
import { deeds } from "../api/accounts";
import { Notice } from "../components/Notice";
import { useLoad } from "../hooks/useLoad";
import { count, moment } from "../lib/format";

const pageSize = 50;
const kinds = ["session", "user", "token", "service_token", "project", "load_test", "test_run", "schedule", "label"];

/** Who did what, the newest first. */
export function AdminAudit() {
  const [skip, setSkip] = useState(0);
  const [actor, setActor] = useState("");
  const [action, setAction] = useState("");
  const page = useLoad((signal) => deeds(skip, pageSize, { actor: actor.trim(), action }, signal), `${skip} ${actor} ${action}`);
  const total = page.value?.["@count"] ?? 0;
  const rows = page.value?.value ?? [];
  return (
    <>
      {page.error !== null && <Notice tone="bad">{page.error}</Notice>}
      <div className="inline">
        <label htmlFor="audit-actor">Who</label>
        <input
          id="audit-actor"
          value={actor}
          placeholder="e-mail"
          onChange={(e) => {
            setActor(e.target.value);
            setSkip(0);
          }}
        />
        <label htmlFor="audit-action">What</label>
        <select
          id="audit-action"
          value={action}
          onChange={(e) => {
            setAction(e.target.value);
            setSkip(0);
          }}
        >
          <option value="">everything</option>
          {kinds.map((k) => (
            <option key={k} value={k}>
              {k.replace("_", " ")}
            </option>
          ))}
        </select>
      </div>
      <div className="panel scroll" tabIndex={0} role="region" aria-label="Audit">
        <table className="listing audit">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">To</th>
              <th scope="col">From</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((d) => (
              <tr key={d.id} data-deed={d.action}>
                <td>
                  <time dateTime={d.time}>{moment(d.time)}</time>
                </td>
                <td className="wrap">
                  {d.actor} {d.token !== null && <span className="dim">by {d.token}</span>}
                </td>
                <td>{d.action}</td>
                <td className="wrap">
                  {d.target} {d.detail !== "" && <span className="dim">{d.detail}</span>}
                </td>
                <td>{d.address ?? <span className="dim">this machine</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {page.value !== null && rows.length === 0 && <p className="empty">Nothing.</p>}
      </div>
      {total > pageSize && (
        <div className="more">
          <button type="button" disabled={skip === 0} onClick={() => setSkip(Math.max(0, skip - pageSize))}>
            Newer
          </button>
          <button type="button" disabled={skip + pageSize >= total} onClick={() => setSkip(skip + pageSize)}>
            Older
          </button>
          <span>
            {count(skip + 1)} to {count(Math.min(skip + pageSize, total))} of {count(total)}
          </span>
        </div>
      )}
    </>
  );
}
