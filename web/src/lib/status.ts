import type { Status, TestRun } from "../api/types";

/** How a state is coloured: waiting, moving, well ended, ended with a doubt, ended badly. */
export type Tone = "idle" | "live" | "good" | "warn" | "bad";

export interface RunState {
  /** The older numeric run status, -2 to 9. */
  code: number;
  /** What users read. */
  word: string;
  tone: Tone;
  /** Nothing more will come. */
  ended: boolean;
  /** Why, in the server's words, when it said so. */
  message: string | null;
}

const states: Record<number, [string, Tone]> = {
  [-2]: ["Created", "idle"],
  [-1]: ["Created", "idle"],
  0: ["Queued", "idle"],
  1: ["Initializing", "idle"],
  2: ["Running", "live"],
  3: ["Finished", "good"],
  4: ["Timed out", "warn"],
  5: ["Aborted by User", "warn"],
  6: ["Aborted by System", "bad"],
  7: ["Aborted (script error)", "bad"],
  8: ["Aborted by Threshold", "bad"],
  9: ["Aborted by Limit", "bad"],
  10: ["Archived", "idle"],
};

const byType: Record<string, number> = {
  created: -2,
  validated: -1,
  queued: 0,
  initializing: 1,
  running: 2,
  processing_metrics: 2,
  completed: 3,
  finished: 3,
  timed_out: 4,
};

/** Which abort it was, from whatever words came with it. */
function abortCode(details: Status | null): number {
  const extra = details?.extra;
  const text = `${details?.type ?? ""} ${extra?.code ?? ""} ${extra?.message ?? ""}`.toLowerCase();
  if (/script[ _]?(error|exception)|8035/.test(text)) return 7;
  if (/threshold/.test(text)) return 8;
  if (/timed?[ _-]?out|timeout/.test(text)) return 4;
  if (/limit/.test(text)) return 9;
  if (extra?.by_user || /user|8036/.test(text)) return 5;
  return 6;
}

export function runState(run: Pick<TestRun, "status" | "status_details">): RunState {
  const details = run.status_details;
  const given = Number(details?.extra?.code ?? NaN);
  let code: number;
  if (details?.extra?.code != null && given in states) code = given;
  else code = byType[run.status] ?? (run.status.startsWith("aborted") ? abortCode(details) : -2);

  const [word, tone] = states[code] ?? [run.status, "idle"];
  const ended = code >= 3;
  const message = details?.extra?.message || null;
  if (run.status === "processing_metrics" && code <= 3)
    return { code, word: "Processing", tone: "live", ended: false, message };
  return { code, word, tone, ended, message };
}

export interface RunResult {
  word: string;
  tone: Tone;
}

/** null while there is none. */
export function runResult(result: string | null): RunResult | null {
  switch (result) {
    case "passed":
      return { word: "Passed", tone: "good" };
    case "failed":
      return { word: "Failed", tone: "bad" };
    case "error":
      return { word: "Error", tone: "bad" };
    default:
      return null;
  }
}

/** When load began: the moment of `running`, or none before it. ms since the epoch. */
export function startedMs(run: Pick<TestRun, "status_history" | "status_details">): number | null {
  const entries = [...(run.status_history ?? []), ...(run.status_details ? [run.status_details] : [])];
  const running = entries.find((s) => s.type === "running");
  const ms = running ? Date.parse(running.entered) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** null while it hasn't ended. ms since the epoch. */
export function endedMs(run: Pick<TestRun, "ended">): number | null {
  const ms = run.ended ? Date.parse(run.ended) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** Seconds from the first load to the end, or to `nowMs`; null before the start. */
export function durationSeconds(
  run: Pick<TestRun, "status_history" | "status_details" | "ended" | "created" | "status">,
  nowMs: number,
): number | null {
  const end = endedMs(run);
  const start = startedMs(run) ?? (end === null ? null : Date.parse(run.created));
  if (start === null || Number.isNaN(start)) return null;
  return Math.max(0, ((end ?? nowMs) - start) / 1000);
}

/** Of two reports of a run the later one: an answer may come after an event that was sent after it. */
export function fresher<T extends Pick<TestRun, "id" | "status_history">>(known: T | null | undefined, came: T): T {
  if (!known || known.id !== came.id) return came;
  return (known.status_history?.length ?? 0) > (came.status_history?.length ?? 0) ? known : came;
}
