import { useEffect, useState, type FormEvent } from "react";
import { addProject, allLimits, projects, usage } from "../api/accounts";
import { hasRole, serverNow, type Session } from "../api/client";
import { Meter } from "../components/Meter";
import { Notice } from "../components/Notice";
import { useAction, useLoad } from "../hooks/useLoad";
import { count } from "../lib/format";
import { limitWords, monthName, monthOf, share, vuh } from "../lib/usage";
import { go, Link } from "../router";

export function Projects({ who }: { who: Session }) {
  const month = monthOf(serverNow());
  const loaded = useLoad(async (signal) => {
    const [list, limits, used] = await Promise.all([projects(signal), allLimits(signal), usage(undefined, signal)]);
    return { list, limits, used };
  });
  useEffect(() => {
    document.title = "Projects · Spate";
  }, []);
  const rows = loaded.value?.list ?? [];
  return (
    <main className="page narrow">
      <div className="page-head">
        <h1>Projects</h1>
        {rows.length > 0 && <span className="count">{rows.length}</span>}
      </div>
      {loaded.error !== null && (
        <Notice tone="bad" action="Try again" onAction={() => void loaded.reload()}>
          The projects can't be loaded. {loaded.error}
        </Notice>
      )}
      {loaded.value !== null && rows.length === 0 && <div className="panel first"><h2>No projects for you yet</h2><p>Whoever owns this server, or administers a project, can give you a role.</p></div>}
      {rows.length > 0 && (
        <div className="panel scroll" tabIndex={0} role="region" aria-label="Projects">
          <table className="listing">
            <thead>
              <tr>
                <th scope="col">Project</th>
                <th scope="col" className="num">Runs in {monthName(month)}</th>
                <th scope="col" className="num" title="Virtual user hours: virtual users × started minutes / 60">VU hours</th>
                <th scope="col">Of the month's limit</th>
                <th scope="col">Limits of a test</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((p) => {
                const limits = loaded.value?.limits.find((l) => l.project_id === p.id);
                const used = loaded.value?.used.find((u) => u.project_id === p.id && u.month === month);
                const full = share(used, limits);
                return (
                  <tr key={p.id} data-project={p.id}>
                    <td className="wrap">
                      <Link href={`/projects/${p.id}`}>{p.name}</Link> <span className="id">#{p.id}</span>
                      {p.is_default && <span className="role">default</span>}
                    </td>
                    <td className="num">{count(used?.runs ?? 0)}</td>
                    <td className="num">{vuh(used?.vuh ?? 0)}</td>
                    <td>{full === null ? <span className="dim">no limit</span> : <span className="of-limit"><Meter share={full} /> {vuh(limits?.vuh_max_per_month)}</span>}</td>
                    <td>{limitWords(limits) || <span className="dim">none</span>}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {hasRole(who, null, "admin") && <NewProject />}
    </main>
  );
}

function NewProject() {
  const [name, setName] = useState("");
  const action = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => go(`/projects/${(await addProject(name)).id}`));
  };
  return (
    <form className="inline" onSubmit={submit}>
      <label htmlFor="project-name">A new project</label>
      <input id="project-name" value={name} onChange={(e) => setName(e.target.value)} required maxLength={255} />
      <button type="submit" disabled={action.busy}>
        Make it
      </button>
      {action.error !== null && (
        <span className="form-error" role="alert">
          {action.error}
        </span>
      )}
    </form>
  );
}
