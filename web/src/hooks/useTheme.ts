import { useSyncExternalStore } from "react";

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function subscribe(fn: () => void): () => void {
  dark.addEventListener("change", fn);
  return () => dark.removeEventListener("change", fn);
}

/** What canvases must be drawn again for. */
export function useTheme(): "light" | "dark" {
  return useSyncExternalStore(subscribe, () => (dark.matches ? "dark" : "light"));
}
