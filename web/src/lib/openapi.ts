/** An OpenAPI document as a list of operations, and its schemas as rows. Only what ours uses. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  default?: unknown;
  deprecated?: boolean;
}

interface Parameter {
  $ref?: string;
  name: string;
  in: string;
  required?: boolean;
  schema?: Schema;
}

interface Body {
  $ref?: string;
  content?: Record<string, { schema?: Schema }>;
}

interface RawOperation {
  parameters?: Parameter[];
  requestBody?: Body;
  responses?: Record<string, Body>;
  security?: unknown[];
}

export interface Spec {
  paths: Record<string, Record<string, RawOperation>>;
  components?: { schemas?: Record<string, Schema>; parameters?: Record<string, Parameter>; responses?: Record<string, Body> };
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  parameters: Parameter[];
  bodies: { type: string; schema: Schema | null }[];
  responses: { status: string; bodies: { type: string; schema: Schema | null }[] }[];
}

const methods = ["get", "post", "put", "patch", "delete"];

export const refName = (ref: string): string => ref.slice(ref.lastIndexOf("/") + 1);

function bodiesOf(body: Body | undefined): { type: string; schema: Schema | null }[] {
  return Object.entries(body?.content ?? {}).map(([type, c]) => ({ type, schema: c.schema ?? null }));
}

export function operations(spec: Spec): Operation[] {
  const list: Operation[] = [];
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of methods) {
      const op = item[method];
      if (!op) continue;
      const parameters = (op.parameters ?? []).map((p) => (p.$ref ? (spec.components?.parameters?.[refName(p.$ref)] ?? p) : p));
      const responses = Object.entries(op.responses ?? {}).map(([status, r]) => ({ status, bodies: bodiesOf(r.$ref ? spec.components?.responses?.[refName(r.$ref)] : r) }));
      list.push({ id: `${method}-${path.replace(/[^a-z0-9]+/gi, "-")}`, method: method.toUpperCase(), path, parameters, bodies: bodiesOf(op.requestBody), responses });
    }
  }
  return list;
}

/** The part of the path by which operations are grouped: "load_tests" of /cloud/v6/load_tests/{id}. */
export function groupOf(path: string): string {
  const [first = "", , third = ""] = path.split("/").filter(Boolean);
  return first === "cloud" ? (third || first).replace("project-limits", "projects") : first;
}

export function grouped(list: Operation[]): [string, Operation[]][] {
  const groups = new Map<string, Operation[]>();
  for (const op of list) groups.set(groupOf(op.path), [...(groups.get(groupOf(op.path)) ?? []), op]);
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

/** "string or null", "list of ProjectApiModel", "ProjectApiModel". */
export function typeText(s: Schema | null | undefined): string {
  if (!s) return "anything";
  if (s.$ref) return refName(s.$ref);
  const some = s.anyOf ?? s.oneOf;
  if (some) return some.map(typeText).join(" or ");
  if (s.type === "array") return `list of ${typeText(s.items)}`;
  const types = s.type === undefined ? ["anything"] : Array.isArray(s.type) ? s.type : [s.type];
  return types.map((t) => (t === "array" ? `list of ${typeText(s.items)}` : s.format && t === "string" ? `${t} (${s.format})` : t)).join(" or ");
}

/** What else has to hold: "1 to 255 characters", "one of MO, TU". */
export function constraints(s: Schema): string[] {
  const out: string[] = [];
  const range = (min: number | undefined, max: number | undefined, what: string) => {
    if (min !== undefined && max !== undefined) out.push(`${min} to ${max}${what}`);
    else if (min !== undefined) out.push(`at least ${min}${what}`);
    else if (max !== undefined) out.push(`at most ${max}${what}`);
  };
  range(s.minLength, s.maxLength, " characters");
  range(s.minItems, s.maxItems, " items");
  range(s.minimum, s.maximum, "");
  if (s.enum) out.push(`one of ${s.enum.map(String).join(", ")}`);
  if (s.pattern) out.push(`matches ${s.pattern}`);
  if (s.default !== undefined && s.default !== null) out.push(`default ${JSON.stringify(s.default)}`);
  if (s.deprecated) out.push("deprecated");
  return out;
}

/** The schemas that a schema names, in the order of their naming. */
export function refsOf(s: Schema | null | undefined, found: string[] = []): string[] {
  if (!s) return found;
  if (s.$ref && !found.includes(refName(s.$ref))) found.push(refName(s.$ref));
  for (const inner of [s.items, ...(s.anyOf ?? []), ...(s.oneOf ?? []), ...Object.values(s.properties ?? {}), typeof s.additionalProperties === "object" ? s.additionalProperties : undefined]) refsOf(inner, found);
  return found;
}
