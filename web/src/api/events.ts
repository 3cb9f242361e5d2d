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
/** A browser has six connections for all its tabs together: one that stays in the background gives its own up. */
const hiddenMs = 10_000;

/** Opens the stream; the returned function closes it for good. */
export function openStream(url: string, names: readonly string[], handlers: StreamHandlers): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hiding: ReturnType<typeof setTimeout> | undefined;
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

  const rest = () => {
    hiding = undefined;
    clearTimeout(timer);
    timer = undefined;
    source?.close();
    source = null;
  };

  // Back online, back from sleep, back in view: no reason to wait out a pause.
  const hurry = () => {
    clearTimeout(timer);
    waitMs = firstWaitMs;
    connect();
  };

  const onVisibility = () => {
    clearTimeout(hiding);
    if (document.visibilityState === "hidden") hiding = setTimeout(rest, hiddenMs);
    else if (source === null) hurry();
  };

  const onOnline = () => {
    if (timer !== undefined) hurry();
  };

  handlers.state("connecting");
  connect();
  window.addEventListener("online", onOnline);
  document.addEventListener("visibilitychange", onVisibility);
  return () => {
    closed = true;
    clearTimeout(timer);
    clearTimeout(hiding);
    source?.close();
    window.removeEventListener("online", onOnline);
    document.removeEventListener("visibilitychange", onVisibility);
  };
}
