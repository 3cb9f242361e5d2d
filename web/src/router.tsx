import { useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from "react";

/** Three addresses need no library: / and /runs, /runs/{id}, and everything else. */
export type Route = { page: "runs" } | { page: "run"; id: number } | { page: "unknown" };

export function parseRoute(path: string): Route {
  const clean = path.replace(/\/+$/, "");
  if (clean === "" || clean === "/runs") return { page: "runs" };
  const id = /^\/runs\/(\d{1,15})$/.exec(clean)?.[1];
  if (id !== undefined) return { page: "run", id: Number(id) };
  return { page: "unknown" };
}

const moved = new EventTarget();

function subscribe(fn: () => void): () => void {
  window.addEventListener("popstate", fn);
  moved.addEventListener("moved", fn);
  return () => {
    window.removeEventListener("popstate", fn);
    moved.removeEventListener("moved", fn);
  };
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => window.location.pathname);
}

export function go(path: string): void {
  window.history.pushState(null, "", path);
  window.scrollTo(0, 0);
  moved.dispatchEvent(new Event("moved"));
  // The next Tab, and a screen reader, go on in what is new.
  document.getElementById("content")?.focus({ preventScroll: true });
}

/** A real link, so that it opens in a new tab as any other; a plain click stays in the page. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const click = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(href);
  };
  return <a href={href} onClick={click} {...rest} />;
}
