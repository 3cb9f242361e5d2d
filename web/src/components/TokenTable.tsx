import { useState, type ReactNode } from "react";
import type { Token } from "../api/accounts";
import { ago, moment } from "../lib/format";
import { serverNow } from "../api/client";

/** Names and dates; a revoked token is gone, so it is asked for twice. */
export function TokenTable({ tokens, roles, onRevoke }: { tokens: Token[]; roles?: (t: Token) => ReactNode; onRevoke: (t: Token) => void }) {
  const [sure, setSure] = useState<number | null>(null);
  return (
    <table className="listing">
      <thead>
        <tr>
          <th scope="col">Name</th>
          {roles && <th scope="col">Roles</th>}
          <th scope="col">Created</th>
          {roles && <th scope="col">By</th>}
          <th scope="col">Last used</th>
          <th scope="col">
            <span className="sr">What to do</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {tokens.map((t) => (
          <tr key={t.id} data-token={t.id}>
            <td className="wrap">{t.name}</td>
            {roles && <td className="wrap">{roles(t)}</td>}
            <td>{moment(t.created)}</td>
            {roles && <td>{t.created_by}</td>}
            <td>{t.last_used ? <span title={t.last_used}>{ago(t.last_used, serverNow())}</span> : <span className="dim">never</span>}</td>
            <td className="actions">
              {sure === t.id ? (
                <>
                  <button type="button" className="danger" onClick={() => onRevoke(t)}>
                    Revoke it now
                  </button>
                  <button type="button" className="quiet" onClick={() => setSure(null)}>
                    Keep it
                  </button>
                </>
              ) : (
                <button type="button" className="quiet" onClick={() => setSure(t.id)}>
                  Revoke
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
