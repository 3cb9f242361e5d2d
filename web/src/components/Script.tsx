import { useEffect, useMemo, useState } from "react";
import { getScript } from "../api/client";
import { highlight } from "../lib/highlight";
import { Copy } from "./Copy";

/** Beyond that the colours cost more than they help. */
const colouredBytes = 200_000;

function Source({ text }: { text: string }) {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n$/, "").split("\n");
  const body = useMemo(() => {
    if (text.length > colouredBytes) return text;
    return highlight(text).map(([kind, part], i) =>
      kind === "" ? (
        part
      ) : (
        <span key={i} className={`s-${kind}`}>
          {part}
        </span>
      ),
    );
  }, [text]);
  return (
    <div className="source" tabIndex={0} role="region" aria-label="Script">
      <pre className="gutter" aria-hidden="true">
        {lines.map((_line, i) => i + 1).join("\n")}
      </pre>
      <pre className="code-text">
        <code>{body}</code>
      </pre>
    </div>
  );
}

/** `epoch` changes when a script that wasn't there may have come. */
export function Script({ runId, epoch }: { runId: number; epoch: number }) {
  const [script, setScript] = useState<string | null | undefined>(undefined);
  const [error, setError] = useState<string | null>(null);
  const [attempt, setAttempt] = useState(0);
  const known = typeof script === "string";
  useEffect(() => {
    if (known) return;
    const aborter = new AbortController();
    setError(null);
    getScript(runId, aborter.signal).then(setScript, (cause: unknown) => {
      if (!aborter.signal.aborted) setError(cause instanceof Error ? cause.message : String(cause));
    });
    return () => aborter.abort();
  }, [runId, attempt, epoch, known]);
  return (
    <section aria-labelledby="script-h" data-section="script">
      <div className="section-head">
        <h2 id="script-h">Script</h2>
        {script && <Copy text={script} label="Copy the script" />}
      </div>
      <div className="panel block">
        {typeof script === "string" ? (
          <Source text={script} />
        ) : error !== null ? (
          <p className="empty">
            {error}{" "}
            <button type="button" className="quiet" onClick={() => setAttempt((n) => n + 1)}>
              Try again
            </button>
          </p>
        ) : (
          <p className="empty">{script === null ? "No script came with this run: its archive wasn't uploaded." : "Loading…"}</p>
        )}
      </div>
    </section>
  );
}
