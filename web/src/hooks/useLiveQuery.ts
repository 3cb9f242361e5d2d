import { useEffect, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { Pump } from "../lib/pump";

export interface LiveQuery<T> {
  data: T | null;
  /** Why the last attempt failed; older data stays. */
  error: string | null;
  retry: () => void;
}

const retryMs = 4000;

/**
 * Keeps the answer of `load` fresh: at the start, whenever `onData` tells of news (at most every `gapMs`), and, whole,
 * when the run has ended. What can't be loaded is tried again.
 *
 * `load` gets what it gave the last time, or null when it must not build on it.
 */
export function useLiveQuery<T>(
  key: string,
  ended: boolean,
  onData: (fn: () => void) => () => void,
  gapMs: number,
  load: (last: T | null, signal: AbortSignal) => Promise<T>,
): LiveQuery<T> {
  const [state, setState] = useState<{ key: string; data: T | null; error: string | null }>({ key, data: null, error: null });
  const loader = useRef(load);
  loader.current = load;
  const pump = useRef<Pump | null>(null);
  const known = useRef<{ key: string; data: T } | null>(null);

  useEffect(() => {
    const aborter = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let building = known.current?.key === key && !ended ? known.current.data : null;
    const p = new Pump(async () => {
      clearTimeout(timer);
      try {
        const data = await loader.current(building, aborter.signal);
        if (aborter.signal.aborted) return;
        building = data;
        known.current = { key, data };
        setState({ key, data, error: null });
      } catch (cause) {
        if (aborter.signal.aborted) return;
        const message = cause instanceof Error ? cause.message : String(cause);
        setState((s) => ({ key, data: s.key === key ? s.data : null, error: message }));
        if (!(cause instanceof ApiError && cause.status >= 400 && cause.status < 500)) timer = setTimeout(() => p.kick(), retryMs);
      }
    }, gapMs);
    pump.current = p;
    p.kick();
    const forget = ended ? () => {} : onData(() => p.kick());
    return () => {
      forget();
      clearTimeout(timer);
      p.stop();
      aborter.abort();
    };
  }, [key, ended, onData, gapMs]);

  const mine = state.key === key;
  return { data: mine ? state.data : null, error: mine ? state.error : null, retry: () => pump.current?.now() };
}
