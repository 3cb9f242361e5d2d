import type { Threshold } from "../api/types";
import { compact, count, millis, percent } from "./format";

const timeMetric = /^(http_req_(?!failed$)\w+|https?_\w*duration|iteration_duration|group_duration|grpc_req_duration|ws_(connecting|session_duration|ping)|\w*_duration)$/;

/** The measured value in the unit that its metric and expression speak of. */
export function thresholdValue({ metric, expression, value }: Pick<Threshold, "metric" | "expression" | "value">): string {
  const method = /^\s*([a-z]+)/.exec(expression)?.[1] ?? "";
  if (method === "rate" && !/^(http_reqs|iterations|data_\w+)$/.test(metric)) {
    // A counter's rate is a figure a second, a rate's is a share; only the latter is compared with at most 1.
    const bound = Number(/[<>=]=?\s*([\d.]+)\s*$/.exec(expression)?.[1] ?? NaN);
    return bound <= 1 && value !== null && value <= 1 ? percent(value) : compact(value);
  }
  if (timeMetric.test(metric) && method !== "count") return millis(value);
  if (method === "count") return count(value);
  return compact(value);
}

/** The selector as scripts write it, whether or not the answer has the braces. */
export function selectorText(selector: string): string {
  return selector === "" || selector.startsWith("{") ? selector : `{${selector}}`;
}
