import { useEffect, useState, type FormEvent } from "react";
import { getLimits, members, projects, removeMember, setLimits, setMember, usage, type Limits, type RoleName } from "../api/accounts";
import { hasRole, serverNow, type Session } from "../api/client";
import { Meter } from "../components/Meter";
import { Notice } from "../components/Notice";
import { RoleSelect } from "../components/Roles";
import { useAction, useLoad } from "../hooks/useLoad";
import { count } from "../lib/format";
import { monthName, monthOf, monthsBefore, vuh } from "../lib/usage";
import { Link } from "../router";

const monthsShown = 12;

export function ProjectPage({ id, who }: { id: number; who: Session }) {
  const project = useLoad(async (signal) => {
    const found = (await projects(signal)).find((p) => p.id === id);
    if (!found) throw new Error("There is no such project, or none that you may see.");
    return found;
  }, id);
  const limits = useLoad((signal) => getLimits(id, signal), id);
  useEffect(() => {
    document.title = `${project.value?.name ?? "Project"} · Spate`;
  }, [project.value]);
  if (project.error !== null)
    return (
      <main className="page narrow">
        <Notice tone="bad">{project.error}</Notice>
      </main>
    );
  return (
    <main className="page narrow">
      <p className="crumbs">
        <Link href="/projects">Projects</Link>
      </p>
      <div className="page-head">
        <h1>{project.value?.name ?? "\u00a0"}</h1>
        <span className="count">#{id}</span>
      </div>
      <div className="two">
        <Used id={id} limits={limits.value} />
        <LimitsForm id={id} limits={limits.value} mayChange={hasRole(who, null, "admin")} onChanged={() => void limits.reload()} />
      </div>
      {hasRole(who, id, "admin") && <Members id={id} who={who} />}
    </main>
  );
}

function Used({ id, limits }: { id: number; limits: Limits | null }) {
  const month = monthOf(serverNow());
  const used = useLoad(async (signal) => (await usage(monthsBefore(month, monthsShown - 1), signal)).filter((u) => u.project_id === id), id);
  const max = limits?.vuh_max_per_month ?? null;
  const most = Math.max(max ?? 0, ...(used.value ?? []).map((u) => u.vuh), 0);
  return (
    <section className="panel block" aria-labelledby="used-head">
      <div className="section-head">
        <h2 id="used-head">Virtual user hours</h2>
        <span className="hint" title="Virtual users × started minutes / 60; a browser counts ten times; a quarter less when the client executes the test">
          by month, UTC
        </span>
      </div>
      {used.error !== null && <Notice tone="bad">{used.error}</Notice>}
      {used.value?.length === 0 && <p className="empty">Nothing ran in the last {monthsShown} months.</p>}
      {used.value !== null && used.value.length > 0 && (
        <table className="listing usage">
          <thead>
            <tr>
              <th scope="col">Month</th>
              <th scope="col" className="num">Runs</th>
              <th scope="col" className="num">VU hours</th>
              <th scope="col">
                <span className="sr">As a bar</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {used.value.map((u) => (
              <tr key={u.month} data-month={u.month}>
                <td>{monthName(u.month)}</td>
                <td className="num">{count(u.runs)}</td>
                <td className="num">
                  {vuh(u.vuh)}
                  {max !== null && u.month === month && <span className="dim"> of {vuh(max)}</span>}
                </td>
                <td className="bar-cell">{most > 0 && <Meter share={u.vuh / (max !== null && u.month === month ? max : most)} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

const limitFields: { key: keyof Omit<Limits, "project_id">; label: string }[] = [
  { key: "vuh_max_per_month", label: "VU hours a month" },
  { key: "vu_max_per_test", label: "Virtual users a test" },
  { key: "vu_browser_max_per_test", label: "Browsers a test" },
  { key: "duration_max_per_test", label: "Seconds a test" },
];

function LimitsForm({ id, limits, mayChange, onChanged }: { id: number; limits: Limits | null; mayChange: boolean; onChanged: () => void }) {
  const [texts, setTexts] = useState<Record<string, string>>({});
  const [done, setDone] = useState(false);
  const action = useAction();
  useEffect(() => {
    if (limits) setTexts(Object.fromEntries(limitFields.map((f) => [f.key, limits[f.key] === null ? "" : String(limits[f.key])])));
  }, [limits]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setDone(false);
    void action.run(async () => {
      const chosen = Object.fromEntries(limitFields.map((f) => [f.key, texts[f.key] ? Number(texts[f.key]) : null]));
      await setLimits(id, chosen as Omit<Limits, "project_id">);
      setDone(true);
      onChanged();
    });
  };

  return (
    <section className="panel block" aria-labelledby="limits-head">
      <div className="section-head">
        <h2 id="limits-head">Limits</h2>
        <span className="hint">empty: none</span>
      </div>
      <form className="stacked pad" onSubmit={submit}>
        {limitFields.map((f) => (
          <div key={f.key} className="with-unit">
            <label htmlFor={f.key}>{f.label}</label>
            <input id={f.key} type="number" min={1} step={1} disabled={!mayChange || limits === null} value={texts[f.key] ?? ""} onChange={(e) => setTexts({ ...texts, [f.key]: e.target.value })} />
          </div>
        ))}
        <p className="form-error" role="alert">
          {action.error}
        </p>
        {mayChange ? (
          <button type="submit" disabled={action.busy || limits === null}>
            {done ? "Kept" : "Keep these limits"}
          </button>
        ) : (
          <p className="dim">The owner of the server, or an admin of all projects, sets them.</p>
        )}
      </form>
    </section>
  );
}

function Members({ id, who }: { id: number; who: Session }) {
  const list = useLoad((signal) => members(id, signal), id);
  const action = useAction();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<RoleName>("viewer");
  const change = (what: () => Promise<void>) =>
    void action.run(async () => {
      await what();
      await list.reload();
    });

  return (
    <section className="panel block" aria-labelledby="members-head">
      <div className="section-head">
        <h2 id="members-head">Members</h2>
        <span className="hint">who may see or change this project</span>
      </div>
      {(list.error ?? action.error) !== null && <Notice tone="bad">{list.error ?? action.error}</Notice>}
      <div className="scroll" tabIndex={0} role="region" aria-label="Members">
        <table className="listing">
          <tbody>
            {list.value?.map((m) => (
              <tr key={m.user_id} data-member={m.email}>
                <td className="wrap">
                  {m.name} <span className="dim">{m.email === m.name ? "" : m.email}</span>
                </td>
                <td>
                  {m.in_all_projects ? <span className="role">{m.role} <i>all projects</i></span> : <RoleSelect label={`Role of ${m.name}`} value={m.role} onChange={(r) => change(() => setMember(id, m.email, r))} />}
                </td>
                <td className="actions">
                  {!m.in_all_projects && m.email !== who.email && (
                    <button type="button" className="quiet" onClick={() => change(() => removeMember(id, m.email))}>
                      Remove
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <form
        className="inline"
        onSubmit={(event) => {
          event.preventDefault();
          change(async () => {
            await setMember(id, email.trim(), role);
            setEmail("");
          });
        }}
      >
        <label htmlFor="member-email">Someone with an account here</label>
        <input id="member-email" type="text" inputMode="email" placeholder="ann@example.com" value={email} onChange={(e) => setEmail(e.target.value)} required />
        <RoleSelect label="Role" value={role} onChange={setRole} />
        <button type="submit" disabled={action.busy}>
          Add
        </button>
      </form>
    </section>
  );
}
