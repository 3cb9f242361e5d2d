import type { Project, Role, RoleName } from "../api/accounts";

const names: RoleName[] = ["viewer", "editor", "admin"];

export function projectName(projects: Project[], id: number | null): string {
  if (id === null) return "all projects";
  return projects.find((p) => p.id === id)?.name ?? `project ${id}`;
}

export function RoleList({ roles, projects, owner = false }: { roles: Role[]; projects: Project[]; owner?: boolean }) {
  if (owner) return <span className="role owner">owner</span>;
  if (roles.length === 0) return <span className="dim">none</span>;
  return (
    <>
      {roles.map((r) => (
        <span className="role" key={r.project_id ?? "all"}>
          {r.role} <i>{projectName(projects, r.project_id)}</i>
        </span>
      ))}
    </>
  );
}

export function RoleSelect({ value, label, onChange }: { value: RoleName; label: string; onChange: (role: RoleName) => void }) {
  return (
    <select value={value} aria-label={label} onChange={(e) => onChange(e.target.value as RoleName)}>
      {names.map((n) => (
        <option key={n} value={n}>
          {n}
        </option>
      ))}
    </select>
  );
}

/** A role in each project; a project is there once. */
export function RolesEditor({ roles, projects, onChange }: { roles: Role[]; projects: Project[]; onChange: (roles: Role[]) => void }) {
  const places: (number | null)[] = [null, ...projects.map((p) => p.id)];
  const free = places.filter((id) => !roles.some((r) => r.project_id === id));
  const set = (i: number, change: Partial<Role>) => onChange(roles.map((r, j) => (j === i ? { ...r, ...change } : r)));
  return (
    <div className="roles-editor">
      {roles.map((r, i) => (
        <div key={r.project_id ?? "all"} className="line">
          <RoleSelect value={r.role} label="Role" onChange={(role) => set(i, { role })} />
          <span>of</span>
          <select value={r.project_id ?? ""} aria-label="Project" onChange={(e) => set(i, { project_id: e.target.value === "" ? null : Number(e.target.value) })}>
            {[r.project_id, ...free].map((id) => (
              <option key={id ?? "all"} value={id ?? ""}>
                {projectName(projects, id)}
              </option>
            ))}
          </select>
          <button type="button" className="quiet" onClick={() => onChange(roles.filter((_, j) => j !== i))}>
            Remove
          </button>
        </div>
      ))}
      {free.length > 0 && (
        <button type="button" onClick={() => onChange([...roles, { project_id: free.find((id) => id !== null) ?? null, role: "viewer" }])}>
          Add a role
        </button>
      )}
    </div>
  );
}
