/** The public HTTP API, called with the session's cookie. Nothing here is private to the page. */
import { aggregateCall, rangeCall, type RangeParams } from "../lib/query";
import type { LoadTest, MetricReply, MetricSeries, TestRun, TestRunList, Threshold } from "./types";

export class ApiError extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0 when there was no answer. */
    readonly status: number,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

let onSignedOut: () => void = () => {};

/** Called whenever an answer says that nobody is signed in. */
export function whenSignedOut(fn: () => void): void {
  onSignedOut = fn;
}

let clockOffset = 0;

/** The server's time now, in ms since the epoch: a wrong clock on the reader's side must not bend durations. */
export function serverNow(): number {
  return Date.now() + clockOffset;
}

function learnClock(response: Response): void {
  const date = Date.parse(response.headers.get("date") ?? "");
  // The header has whole seconds: below two seconds of difference the clocks may well agree.
  if (!Number.isNaN(date)) clockOffset = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError("The server doesn't answer.", 0);
  }
  learnClock(response);
  if (response.ok) return response;
  if (response.status === 401 && path !== "/session") onSignedOut();
  throw new ApiError(await messageOf(response), response.status);
}

async function messageOf(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { error?: { message?: string } };
    if (body.error?.message) return body.error.message;
  } catch {
    // Not the API's error form: say what the status says.
  }
  return `The server answered ${response.status} ${response.statusText}`.trim();
}

export async function json<T>(path: string, signal?: AbortSignal | null): Promise<T> {
  const response = await request(path, { headers: { Accept: "application/json" }, signal: signal ?? null });
  return (await response.json()) as T;
}

/** A request with a JSON body. */
export function send(method: string, path: string, body?: unknown): Promise<Response> {
  if (body === undefined) return request(path, { method });
  return request(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export interface Session {
  name: string;
  email: string;
  is_owner: boolean;
  /** Signed in with a one-time password, which is good for choosing another one only. */
  must_change_password: boolean;
  roles: { project_id: number | null; role: "viewer" | "editor" | "admin" }[];
}

/** May do that in the project (null: in all of them). */
export function hasRole(who: Session, project: number | null, role: "viewer" | "editor" | "admin"): boolean {
  const order = ["viewer", "editor", "admin"];
  return who.is_owner || who.roles.some((r) => (r.project_id === null || r.project_id === project) && order.indexOf(r.role) >= order.indexOf(role));
}

export const session = {
  get: (): Promise<Session> => json("/session"),
  /** Leads to signing in when the session has ended; says nothing else. */
  async check(): Promise<void> {
    try {
      await json("/session");
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) onSignedOut();
    }
  },
  async open(by: { token: string } | { email: string; password: string }): Promise<void> {
    await send("POST", "/session", by);
  },
  async close(): Promise<void> {
    await request("/session", { method: "DELETE" });
  },
};

export function listRuns(skip: number, top: number, signal?: AbortSignal, test: number | null = null): Promise<TestRunList> {
  const order = encodeURIComponent("created desc");
  const of = test === null ? "" : `load_tests/${test}/`;
  return json(`/cloud/v6/${of}test_runs?$orderby=${order}&$top=${top}&$skip=${skip}&$count=true`, signal);
}

export const getRun = (id: number, signal?: AbortSignal): Promise<TestRun> => json(`/cloud/v6/test_runs/${id}`, signal);

const names = new Map<number, Promise<string>>();

/** A test's name is asked for once. */
export function testName(testId: number): Promise<string> {
  let name = names.get(testId);
  if (!name) {
    name = json<LoadTest>(`/cloud/v6/load_tests/${testId}`).then((test) => test.name);
    names.set(testId, name);
    name.catch(() => names.delete(testId));
  }
  return name;
}

export async function getScript(runId: number, signal?: AbortSignal): Promise<string | null> {
  try {
    const response = await request(`/cloud/v6/test_runs/${runId}/script`, {
      headers: { Accept: "text/javascript" },
      signal: signal ?? null,
    });
    return await response.text();
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export async function getThresholds(runId: number, signal?: AbortSignal): Promise<Threshold[]> {
  return (await json<{ value: Threshold[] }>(`/cloud/v5/test_runs/${runId}/thresholds`, signal)).value;
}

interface KnownMetrics {
  names: Set<string>;
  asking: Promise<void> | null;
}

const metrics = new Map<number, KnownMetrics>();

/** Whether the run has sent that metric. As long as it hasn't, each round of queries asks once for all of them. */
async function hasMetric(runId: number, name: string): Promise<boolean> {
  let known = metrics.get(runId);
  if (!known) metrics.set(runId, (known = { names: new Set(), asking: null }));
  if (known.names.has(name)) return true;
  if (known.asking === null) {
    const { names } = known;
    const asked = known;
    asked.asking = json<{ value: { name: string }[] }>(`/cloud/v5/test_runs/${runId}/metrics`).then((list) => list.value.forEach((m) => names.add(m.name)));
    // Only queries of this very moment share the answer: a later one may ask because there is news.
    setTimeout(() => (asked.asking = null));
  }
  await known.asking;
  return known.names.has(name);
}

/** A metric that the run hasn't sent yet is no data, and no mistake of the reader's. */
async function series(runId: number, metric: string, call: string, signal?: AbortSignal): Promise<MetricSeries[]> {
  if (!(await hasMetric(runId, metric))) return [];
  const path = `/cloud/v5/test_runs/${runId}/${call}`;
  try {
    return (await json<MetricReply>(path, signal)).data.result;
  } catch (error) {
    if (error instanceof ApiError && error.status === 400) return [];
    throw error;
  }
}

export const queryRange = (runId: number, params: RangeParams, signal?: AbortSignal): Promise<MetricSeries[]> =>
  series(runId, params.metric, rangeCall(params), signal);

export const queryAggregate = (runId: number, query: string, metric: string, signal?: AbortSignal): Promise<MetricSeries[]> =>
  series(runId, metric, aggregateCall(query, metric), signal);
