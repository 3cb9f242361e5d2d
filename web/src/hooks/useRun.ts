import { useEffect, useRef, useState } from "react";
import { ApiError, getRun } from "../api/client";
import { openStream, type StreamState } from "../api/events";
import type { TestRun } from "../api/types";
import { fresher, runState } from "../lib/status";

export interface LiveRun {
  run: TestRun | null;
  error: ApiError | null;
  /** null when there is nothing to follow. */
  stream: StreamState | null;
  /** Calls `fn` whenever there may be new data: on events, on a reconnection, and when the run ends. */
  onData: (fn: () => void) => () => void;
  retry: () => void;
}

/** Without any event for that long while a run goes on, the page asks by itself. */
const quietMs = 10_000;

export function useRun(id: number): LiveRun {
  const [run, setRun] = useState<TestRun | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [stream, setStream] = useState<StreamState | null>(null);
  const [attempt, setAttempt] = useState(0);
  const listeners = useRef(new Set<() => void>());
  // A page that nobody sees asks for nothing; it catches up when it is looked at.
  const tell = useRef(() => {
    if (document.visibilityState !== "hidden") listeners.current.forEach((fn) => fn());
  });

  const take = useRef((came: TestRun) => setRun((known) => fresher(known, came))).current;
  const current = run?.id === id ? run : null;
  const following = current !== null && !runState(current).ended;

  useEffect(() => {
    const aborter = new AbortController();
    setError(null);
    getRun(id, aborter.signal).then(take, (cause: unknown) => {
      if (!aborter.signal.aborted) setError(cause instanceof ApiError ? cause : new ApiError(String(cause), 0));
    });
    return () => aborter.abort();
  }, [id, attempt, take]);

  useEffect(() => {
    if (!following) return;
    let quiet: ReturnType<typeof setTimeout>;
    const reload = () =>
      getRun(id).then(take, () => {
        // The stream's own light tells that the server is away.
      });
    const heard = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        void reload();
        tell.current();
        heard();
      }, quietMs);
    };
    const close = openStream(`/cloud/v5/test_runs/${id}/events`, ["run", "metrics"], {
      state: setStream,
      open() {
        // A change between the first answer and the stream, or during a break, would else be missed.
        void reload();
        tell.current();
        heard();
      },
      event(name, data) {
        heard();
        if (name === "run") {
          const fresh = data as TestRun;
          if (fresh.id === id) take(fresh);
        }
        tell.current();
      },
    });
    const seen = () => tell.current();
    document.addEventListener("visibilitychange", seen);
    heard();
    return () => {
      clearTimeout(quiet);
      document.removeEventListener("visibilitychange", seen);
      close();
      setStream(null);
    };
  }, [id, following, take]);

  return {
    run: current,
    error,
    stream,
    onData: useRef((fn: () => void) => {
      listeners.current.add(fn);
      return () => {
        listeners.current.delete(fn);
      };
    }).current,
    retry: () => setAttempt((n) => n + 1),
  };
}
