import type { StreamState } from "../api/events";

const words: Record<StreamState, string> = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting…" };

/** Says whether the page follows the server. Takes its place even when it says nothing. */
export function StreamLight({ state }: { state: StreamState | null }) {
  return (
    <span className={`light ${state ?? "off"}`} role="status" data-stream={state ?? "off"}>
      {state && (
        <>
          <span className="dot" />
          {words[state]}
        </>
      )}
    </span>
  );
}
