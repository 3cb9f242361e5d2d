import type { RunResult, RunState } from "../lib/status";

export function StatePill({ state }: { state: RunState }) {
  return (
    <span className={`pill tone-${state.tone}`} data-state={state.code}>
      <span className="dot" />
      {state.word}
    </span>
  );
}

export function ResultPill({ result }: { result: RunResult | null }) {
  if (!result) return null;
  return <span className={`pill plain tone-${result.tone}`}>{result.word}</span>;
}
