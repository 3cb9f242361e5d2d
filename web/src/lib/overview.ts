/** The figures over a run as a whole. */
export const overviewQueries = {
  requests: ["increase", "http_reqs"],
  rate: ["rate", "http_reqs"],
  p95: ["histogram_quantile(0.95)", "http_req_duration"],
  p50: ["histogram_quantile(0.5)", "http_req_duration"],
  p99: ["histogram_quantile(0.99)", "http_req_duration"],
  avg: ["histogram_avg", "http_req_duration"],
  slowest: ["histogram_max", "http_req_duration"],
  failedShare: ["ratio", "http_req_failed"],
  failed: ["increase_nz", "http_req_failed"],
  iterations: ["increase", "iterations"],
  received: ["increase", "data_received"],
  sent: ["increase", "data_sent"],
} as const satisfies Record<string, readonly [query: string, metric: string]>;

export type Overview = Record<keyof typeof overviewQueries, number | null>;
