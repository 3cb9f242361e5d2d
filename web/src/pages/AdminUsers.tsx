import { useState, type FormEvent } from "react";
import { addUser, changeUser, projects, removeUser, resetPassword, setUserRoles, users, type Project, type Role, type User } from "../api/accounts";
import { serverNow, type Session } from "../api/client";
import { Notice } from "../components/Notice";
import { RoleList, RolesEditor } from "../components/Roles";
import { Secret } from "../components/Secret";
import { useAction, useLoad } from "../hooks/useLoad";
import { ago } from "../lib/format";

interface Once {
  email: string;
  password: string;
}

export function AdminUsers({ who }: { who: Session }) {
  const list = useLoad(users);
  const known = useLoad(projects);
  const [editing, setEditing] = useState<number | "new" | null>(null);
  const [once, setOnce] = useState<Once | null>(null);
  const all = known.value ?? [];

  const changed = async (u: User | null) => {
    if (u?.one_time_password) setOnce({ email: u.email, password: u.one_time_password });
    setEditing(null);
    await list.reload();
  };

  return (
    <>
      {list.error !== null && <Notice tone="bad">{list.error}</Notice>}
      {once !== null && (
        <div className="panel">
          <Secret title={`One-time password of ${once.email}, to be changed at the first sign-in.`} text={once.password} onDone={() => setOnce(null)} />
        </div>
      )}
      <div className="panel scroll" tabIndex={0} role="region" aria-label="Users">
        <table className="listing">
          <thead>
            <tr>
              <th scope="col">User</th>
              <th scope="col">Roles</th>
              <th scope="col">Signed in</th>
              <th scope="col">
                <span className="sr">What to do</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {list.value?.map((u) =>
              editing === u.id ? (
                <tr key={u.id} data-user={u.email}>
                  <td colSpan={4}>
                    <EditUser user={u} projects={all} me={u.email === who.email} onDone={changed} onCancel={() => setEditing(null)} />
                  </td>
                </tr>
              ) : (
                <tr key={u.id} data-user={u.email} className={u.is_disabled ? "off" : undefined}>
                  <td className="wrap">
                    {u.name} {u.email !== u.name && <span className="dim">{u.email}</span>}
                  </td>
                  <td className="wrap">
                    <RoleList roles={u.roles} projects={all} owner={u.is_owner} />
                  </td>
                  <td>
                    {u.is_disabled ? "disabled" : u.signed_in ? <span title={u.signed_in}>{ago(u.signed_in, serverNow())}</span> : <span className="dim">never</span>}
                    {u.must_change_password && <span className="dim"> (one-time password)</span>}
                  </td>
                  <td className="actions">
                    <button type="button" className="quiet" onClick={() => setEditing(u.id)}>
                      Change
                    </button>
                  </td>
                </tr>
              ),
            )}
          </tbody>
        </table>
      </div>
      {editing === "new" ? (
        <div className="panel block">
          <NewUser projects={all} onDone={changed} onCancel={() => setEditing(null)} />
        </div>
      ) : (
        <p className="below">
          <button type="button" className="primary" onClick={() => setEditing("new")}>
            Add a user
          </button>
        </p>
      )}
    </>
  );
}

function NewUser({ projects: all, onDone, onCancel }: { projects: Project[]; onDone: (u: User) => Promise<void>; onCancel: () => void }) {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [owner, setOwner] = useState(false);
  const [roles, setRoles] = useState<Role[]>(() => {
    const first = all.find((p) => p.is_default) ?? all[0];
    return first ? [{ project_id: first.id, role: "editor" }] : [];
  });
  const action = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => onDone(await addUser({ email, name, roles: owner ? [] : roles, is_owner: owner })));
  };
  return (
    <form className="stacked pad" onSubmit={submit}>
      <h2>A new user</h2>
      <div>
        <label htmlFor="user-email">E-mail</label>
        <input id="user-email" type="text" inputMode="email" value={email} onChange={(e) => setEmail(e.target.value)} required autoFocus />
      </div>
      <div>
        <label htmlFor="user-name">Name</label>
        <input id="user-name" value={name} onChange={(e) => setName(e.target.value)} maxLength={200} />
      </div>
      <Owner checked={owner} onChange={setOwner} />
      {!owner && (
        <div>
          <span className="label">Roles</span>
          <RolesEditor roles={roles} projects={all} onChange={setRoles} />
        </div>
      )}
      <p className="form-error" role="alert">
        {action.error}
      </p>
      <div className="line">
        <button type="submit" className="primary" disabled={action.busy}>
          Make the account
        </button>
        <button type="button" className="quiet" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

function Owner({ checked, disabled = false, onChange }: { checked: boolean; disabled?: boolean; onChange: (on: boolean) => void }) {
  return (
    <label className="check">
      <input type="checkbox" checked={checked} disabled={disabled} onChange={(e) => onChange(e.target.checked)} /> owns the server: may do everything, also with users
    </label>
  );
}

function EditUser({ user, projects: all, me, onDone, onCancel }: { user: User; projects: Project[]; me: boolean; onDone: (u: User | null) => Promise<void>; onCancel: () => void }) {
  const [email, setEmail] = useState(user.email);
  const [name, setName] = useState(user.name);
  const [owner, setOwner] = useState(user.is_owner);
  const [roles, setRoles] = useState(user.roles);
  const [sure, setSure] = useState(false);
  const action = useAction();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => {
      const now = await changeUser(user.id, { email, name, is_owner: owner });
      await setUserRoles(user.id, roles);
      await onDone(now);
    });
  };
  return (
    <form className="stacked edit" onSubmit={submit} aria-label={`Change ${user.name}`}>
      <div>
        <label htmlFor="edit-email">E-mail</label>
        <input id="edit-email" type="text" inputMode="email" value={email} onChange={(e) => setEmail(e.target.value)} required />
      </div>
      <div>
        <label htmlFor="edit-name">Name</label>
        <input id="edit-name" value={name} onChange={(e) => setName(e.target.value)} required maxLength={200} />
      </div>
      <Owner checked={owner} disabled={me} onChange={setOwner} />
      {!owner && (
        <div>
          <span className="label">Roles</span>
          <RolesEditor roles={roles} projects={all} onChange={setRoles} />
        </div>
      )}
      <p className="form-error" role="alert">
        {action.error}
      </p>
      <div className="line">
        <button type="submit" className="primary" disabled={action.busy}>
          Keep the changes
        </button>
        <button type="button" className="quiet" onClick={onCancel}>
          Cancel
        </button>
        <span className="gap" />
        <button type="button" onClick={() => void action.run(async () => onDone(await resetPassword(user.id)))}>
          New one-time password
        </button>
        {!me && (
          <button type="button" onClick={() => void action.run(async () => onDone(await changeUser(user.id, { is_disabled: !user.is_disabled })))}>
            {user.is_disabled ? "Enable" : "Disable"}
          </button>
        )}
        {!me && !sure && (
          <button type="button" onClick={() => setSure(true)}>
            Remove
          </button>
        )}
        {sure && (
          <button
            type="button"
            className="danger"
            onClick={() =>
              void action.run(async () => {
                await removeUser(user.id);
                await onDone(null);
              })
            }
          >
            Remove with all tokens
          </button>
        )}
      </div>
    </form>
  );
}
