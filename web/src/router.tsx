import { useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from "react";

/** A handful of addresses needs no library. */
export type Route =
  | { page: "runs" }
  | { page: "run"; id: number }
  | { page: "test"; id: number }
  | { page: "projects" }
  | { page: "project"; id: number }
  | { page: "account" }
  | { page: "admin"; tab: "users" | "tokens" | "audit" }
  | { page: "api" }
  | { page: "unknown" };

const plain: Record<string, Route> = {
  "": { page: "runs" },
  "/runs": { page: "runs" },
  "/projects": { page: "projects" },
  "/account": { page: "account" },
  "/admin": { page: "admin", tab: "users" },
  "/admin/users": { page: "admin", tab: "users" },
  "/admin/tokens": { page: "admin", tab: "tokens" },
  "/admin/audit": { page: "admin", tab: "audit" },
  "/api": { page: "api" },
};

export function parseRoute(path: string): Route {
  const clean = path.replace(/\/+$/, "");
  const known = plain[clean];
  if (known) return known;
  // k6 prints addresses below /a/k6-app, where its own cloud has them.
  const [, kind, id] = /^(?:\/a\/k6-app)?\/(runs|tests|projects)\/(\d{1,15})$/.exec(clean) ?? [];
  if (kind === "runs") return { page: "run", id: Number(id) };
  if (kind === "tests") return { page: "test", id: Number(id) };
  if (kind === "projects") return { page: "project", id: Number(id) };
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
