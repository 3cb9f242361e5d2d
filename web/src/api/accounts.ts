/** Users, roles, tokens, limits and used hours: /accounts/v1, and what v6 says about projects. */
import { json, request, send } from "./client";

export type RoleName = "viewer" | "editor" | "admin";

export interface Role {
  /** null: all projects, those to come among them. */
  project_id: number | null;
  role: RoleName;
}

export interface User {
  id: number;
  email: string;
  name: string;
  is_owner: boolean;
  is_disabled: boolean;
  has_password: boolean;
  must_change_password: boolean;
  created: string;
  signed_in: string | null;
  roles: Role[];
  /** Only in the answer that made it. */
  one_time_password?: string;
}

export interface Token {
  id: number;
  name: string;
  created_by: string;
  created: string;
  last_used: string | null;
  /** Of service tokens. */
  roles?: Role[];
  /** Only in the answer that made it. */
  token?: string;
}

export interface Deed {
  id: number;
  time: string;
  actor: string;
  token: string | null;
  address: string | null;
  action: string;
  target: string;
  detail: string;
}

export interface Project {
  id: number;
  name: string;
  is_default: boolean;
}

export interface Limits {
  project_id: number;
  vuh_max_per_month: number | null;
  vu_max_per_test: number | null;
  vu_browser_max_per_test: number | null;
  duration_max_per_test: number | null;
}

export interface Usage {
  project_id: number;
  /** 2026-11 */
  month: string;
  runs: number;
  vuh: number;
  vuh_max: number | null;
}

export interface Member {
  user_id: number;
  email: string;
  name: string;
  role: RoleName;
  in_all_projects: boolean;
}

interface Listed<T> {
  value: T[];
  "@count"?: number;
}

const list = async <T>(path: string, signal?: AbortSignal): Promise<T[]> => (await json<Listed<T>>(path, signal)).value;
const made = async <T>(method: string, path: string, body?: unknown): Promise<T> => (await (await send(method, path, body)).json()) as T;

export const changePassword = async (old: string, fresh: string): Promise<void> => {
  await send("POST", "/accounts/v1/me/password", { old_password: old, new_password: fresh });
};
export const changeName = async (name: string): Promise<void> => {
  await send("PATCH", "/accounts/v1/me", { name });
};

export const myTokens = (signal?: AbortSignal): Promise<Token[]> => list("/accounts/v1/me/tokens", signal);
export const addMyToken = (name: string): Promise<Token> => made("POST", "/accounts/v1/me/tokens", { name });
export const removeMyToken = async (id: number): Promise<void> => {
  await request(`/accounts/v1/me/tokens/${id}`, { method: "DELETE" });
};

export const users = (signal?: AbortSignal): Promise<User[]> => list("/accounts/v1/users", signal);
export const addUser = (user: { email: string; name: string; roles: Role[]; is_owner: boolean }): Promise<User> => made("POST", "/accounts/v1/users", user);
export const changeUser = (id: number, change: Partial<Pick<User, "email" | "name" | "is_owner" | "is_disabled">>): Promise<User> => made("PATCH", `/accounts/v1/users/${id}`, change);
export const removeUser = async (id: number): Promise<void> => {
  await request(`/accounts/v1/users/${id}`, { method: "DELETE" });
};
export const resetPassword = (id: number): Promise<User> => made("POST", `/accounts/v1/users/${id}/reset_password`);
export const setUserRoles = async (id: number, roles: Role[]): Promise<void> => {
  await send("PUT", `/accounts/v1/users/${id}/roles`, { value: roles });
};

export const serviceTokens = (signal?: AbortSignal): Promise<Token[]> => list("/accounts/v1/service_tokens", signal);
export const addServiceToken = (name: string, roles: Role[]): Promise<Token> => made("POST", "/accounts/v1/service_tokens", { name, roles });
export const removeServiceToken = async (id: number): Promise<void> => {
  await request(`/accounts/v1/service_tokens/${id}`, { method: "DELETE" });
};

export const deeds = (skip: number, top: number, filter: { actor: string; action: string }, signal?: AbortSignal): Promise<Listed<Deed>> => {
  const chosen = Object.entries(filter).filter(([, v]) => v !== "");
  const more = chosen.map(([k, v]) => `&${k}=${encodeURIComponent(v)}`).join("");
  return json(`/accounts/v1/audit?$count=true&$top=${top}&$skip=${skip}${more}`, signal);
};

export const projects = (signal?: AbortSignal): Promise<Project[]> => list("/cloud/v6/projects?$orderby=name", signal);
export const addProject = (name: string): Promise<Project> => made("POST", "/cloud/v6/projects", { name });
export const allLimits = (signal?: AbortSignal): Promise<Limits[]> => list("/cloud/v6/project-limits", signal);
export const getLimits = (id: number, signal?: AbortSignal): Promise<Limits> => json(`/cloud/v6/projects/${id}/limits`, signal);
export const setLimits = async (id: number, limits: Omit<Limits, "project_id">): Promise<void> => {
  await send("PATCH", `/cloud/v6/projects/${id}/limits`, limits);
};
export const usage = (from?: string, signal?: AbortSignal): Promise<Usage[]> => list(`/accounts/v1/usage${from ? `?from=${from}` : ""}`, signal);

export const members = (project: number, signal?: AbortSignal): Promise<Member[]> => list(`/accounts/v1/projects/${project}/members`, signal);
export const setMember = async (project: number, email: string, role: RoleName): Promise<void> => {
  await send("PUT", `/accounts/v1/projects/${project}/members/${encodeURIComponent(email)}`, { role });
};
export const removeMember = async (project: number, email: string): Promise<void> => {
  await request(`/accounts/v1/projects/${project}/members/${encodeURIComponent(email)}`, { method: "DELETE" });
};

export const specification = (signal?: AbortSignal): Promise<unknown> => json("/cloud/v6/openapi", signal);
