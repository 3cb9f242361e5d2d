import { useCallback, useEffect, useRef, useState } from "react";

export interface Loaded<T> {
  value: T | null;
  error: string | null;
  reload: () => Promise<void>;
}

/** Asks once, and again when told to; what is there stays while it asks. `key` says that it is about something else. */
export function useLoad<T>(ask: (signal: AbortSignal) => Promise<T>, key: unknown = null): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  const asking = useRef(ask);
  asking.current = ask;
  const aborter = useRef<AbortController | null>(null);

  const reload = useCallback(async () => {
    aborter.current?.abort();
    const mine = new AbortController();
    aborter.current = mine;
    try {
      const came = await asking.current(mine.signal);
      if (mine.signal.aborted) return;
      setValue(came);
      setError(null);
    } catch (cause) {
      if (!mine.signal.aborted) setError(cause instanceof Error ? cause.message : String(cause));
    }
  }, []);

  useEffect(() => {
    void reload();
    return () => aborter.current?.abort();
  }, [reload, key]);
  return { value, error, reload };
}

/** Does something that may fail; the error's words are kept to be shown. */
export function useAction(): { error: string | null; busy: boolean; run: (what: () => Promise<void>) => Promise<boolean> } {
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const run = useCallback(async (what: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    let good = true;
    try {
      await what();
    } catch (cause) {
      good = false;
      setError(cause instanceof Error ? cause.message : String(cause));
    }
    setBusy(false);
    return good;
  }, []);
  return { error, busy, run };
}
