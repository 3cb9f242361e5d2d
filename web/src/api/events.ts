/** Server-sent events that come back by themselves, whatever ended them. */
import { session } from "./client";

export type StreamState = "connecting" | "live" | "reconnecting";

export interface StreamHandlers {
  /** `again` is true when events may have been missed since the last time. */
  open(again: boolean): void;
  state(state: StreamState): void;
  event(name: string, data: unknown): void;
}

const firstWaitMs = 500;
const longestWaitMs = 8000;

/** Opens the stream; the returned function closes it for good. */
export function openStream(url: string, names: readonly string[], handlers: StreamHandlers): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let waitMs = firstWaitMs;
  let opened = false;
  let closed = false;

  const connect = () => {
    timer = undefined;
    const es = new EventSource(url);
    source = es;
    es.onopen = () => {
      waitMs = firstWaitMs;
      handlers.state("live");
      handlers.open(opened);
      opened = true;
    };
    es.onerror = () => {
      // The browser's own retry gives up on any answer but 200; this one doesn't.
      es.close();
      if (closed || source !== es) return;
      source = null;
      handlers.state("reconnecting");
      // A browser doesn't tell a refused stream from a broken one.
      void session.check();
      timer = setTimeout(connect, waitMs);
      waitMs = Math.min(waitMs * 2, longestWaitMs);
    };
    for (const name of names) {
      es.addEventListener(name, (event) => {
        let data: unknown;
        try {
          data = JSON.parse((event as MessageEvent<string>).data);
        } catch {
          return;
        }
        handlers.event(name, data);
      });
    }
  };

  // Back online or back from sleep: no reason to wait out the pause.
  const hurry = () => {
    if (timer === undefined || document.visibilityState === "hidden") return;
    clearTimeout(timer);
    connect();
  };

  handlers.state("connecting");
  connect();
  window.addEventListener("online", hurry);
  document.addEventListener("visibilitychange", hurry);
  return () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
    window.removeEventListener("online", hurry);
    document.removeEventListener("visibilitychange", hurry);
  };
}
