import { useState, type FormEvent } from "react";
import { addServiceToken, projects, removeServiceToken, serviceTokens, type Role } from "../api/accounts";
import { Notice } from "../components/Notice";
import { RoleList, RolesEditor } from "../components/Roles";
import { Secret } from "../components/Secret";
import { TokenTable } from "../components/TokenTable";
import { useAction, useLoad } from "../hooks/useLoad";

/** Tokens that belong to no user: for pipelines and tools, with roles of their own. */
export function AdminTokens() {
  const list = useLoad(serviceTokens);
  const known = useLoad(projects);
  const action = useAction();
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<Role[]>([]);
  const [fresh, setFresh] = useState<{ name: string; token: string } | null>(null);
  const all = known.value ?? [];

  const submit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => {
      const made = await addServiceToken(name, roles);
      setFresh({ name: made.name, token: made.token ?? "" });
      setName("");
      setRoles([]);
      await list.reload();
    });
  };

  return (
    <>
      {(list.error ?? action.error) !== null && <Notice tone="bad">{list.error ?? action.error}</Notice>}
      {fresh !== null && (
        <div className="panel">
          <Secret title={`The token of ${fresh.name}.`} text={fresh.token} onDone={() => setFresh(null)} />
        </div>
      )}
      {list.value?.length === 0 && <p className="dim">There are no service tokens yet. One is for a pipeline or a tool: it belongs to no user, and has roles of its own.</p>}
      {list.value !== null && list.value.length > 0 && (
        <div className="panel scroll" tabIndex={0} role="region" aria-label="Service tokens">
          <TokenTable
            tokens={list.value}
            roles={(t) => <RoleList roles={t.roles ?? []} projects={all} />}
            onRevoke={(t) =>
              void action.run(async () => {
                await removeServiceToken(t.id);
                await list.reload();
              })
            }
          />
        </div>
      )}
      <form className="panel block stacked pad" onSubmit={submit}>
        <h2>A new service token</h2>
        <div>
          <label htmlFor="service-name">Name</label>
          <input id="service-name" value={name} placeholder="ci" onChange={(e) => setName(e.target.value)} required maxLength={200} />
        </div>
        <div>
          <span className="label">Roles</span>
          <RolesEditor roles={roles} projects={all} onChange={setRoles} />
        </div>
        <div className="line">
          <button type="submit" className="primary" disabled={action.busy}>
            Make the token
          </button>
        </div>
      </form>
    </>
  );
}
