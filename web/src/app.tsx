import { useEffect, useState } from "react";
import { ApiError, session, whenSignedOut, type Session } from "./api/client";
import { Mark } from "./components/icons";
import { Notice } from "./components/Notice";
import { RunList } from "./pages/RunList";
import { RunPage } from "./pages/RunPage";
import { SignIn } from "./pages/SignIn";
import { Link, parseRoute, usePath } from "./router";

type Who = "asking" | "nobody" | "unreachable" | Session;

const retryMs = 2000;

export function App() {
  const [who, setWho] = useState<Who>("asking");
  const path = usePath();

  useEffect(() => {
    whenSignedOut(() => setWho("nobody"));
    let timer: ReturnType<typeof setTimeout>;
    const ask = () =>
      session.get().then(setWho, (cause: unknown) => {
        if (cause instanceof ApiError && cause.status === 401) return setWho("nobody");
        setWho("unreachable");
        timer = setTimeout(() => void ask(), retryMs);
      });
    void ask();
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    // The address says what is shown, so that it can be bookmarked.
    if (typeof who === "object" && window.location.pathname === "/") window.history.replaceState(null, "", "/runs");
  }, [who, path]);

  if (who === "asking") return null;
  if (who === "nobody") return <SignIn onSignedIn={setWho} />;
  if (who === "unreachable")
    return (
      <main className="page">
        <Notice tone="bad">The server doesn't answer. Trying again…</Notice>
      </main>
    );

  const route = parseRoute(path);
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <header className="topbar">
        <Link href="/runs" className="brand">
          <Mark />
          <span>Spate</span>
        </Link>
        <nav aria-label="Main">
          <Link href="/runs" aria-current={route.page === "runs" ? "page" : undefined}>
            Runs
          </Link>
        </nav>
        <div className="who">
          <span title="Signed in">{who.name}</span>
          <button type="button" className="quiet" onClick={() => void session.close().finally(() => setWho("nobody"))}>
            Sign out
          </button>
        </div>
      </header>
      <div id="content" tabIndex={-1}>
        {route.page === "runs" && <RunList />}
        {route.page === "run" && <RunPage key={route.id} id={route.id} />}
        {route.page === "unknown" && (
          <main className="page">
            <div className="panel first">
              <h2>There is nothing at this address</h2>
              <p>
                <Link href="/runs">All runs</Link>
              </p>
            </div>
          </main>
        )}
      </div>
    </>
  );
}
