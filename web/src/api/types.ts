/** Shapes of the public HTTP API, as far as the page reads them. */

export interface StatusExtra {
  by_user?: string | null;
  message?: string | null;
  /** The older numeric run status; see lib/status.ts. */
  code?: number | string | null;
}

export interface Status {
  type: string;
  /** ISO 8601. */
  entered: string;
  extra?: StatusExtra | null;
}

export interface TestRun {
  id: number;
  test_id: number;
  project_id: number;
  started_by: string | null;
  created: string;
  ended: string | null;
  note: string;
  status: string;
  status_details: Status | null;
  status_history: Status[] | null;
  result: string | null;
  result_details?: { type?: string; message?: string | null } | null;
  options: Record<string, unknown> | null;
  max_vus: number | null;
  cost?: { total_vuh: number | string } | null;
  /** Seconds. */
  estimated_duration: number | null;
}

export interface TestRunList {
  value: TestRun[];
  "@count"?: number;
}

export interface LoadTest {
  id: number;
  name: string;
}

export interface Threshold {
  metric: string;
  selector: string;
  expression: string;
  result: "passed" | "failed" | null;
  value: number | null;
}

export interface MetricSeries {
  metric: Record<string, string>;
  /** [unix s, value], of a range query. */
  values?: [number, number | string | null][];
  /** [unix s, value], of an aggregate query. */
  value?: [number, number | string | null];
}

export interface MetricReply {
  status: string;
  data: { resultType: string; result: MetricSeries[] };
}
