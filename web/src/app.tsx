import { useEffect, useState } from "react";
import { ApiError, session, whenSignedOut, type Session } from "./api/client";
import { Mark } from "./components/icons";
import { Notice } from "./components/Notice";
import { Account } from "./pages/Account";
import { Admin } from "./pages/Admin";
import { ApiSpec } from "./pages/ApiSpec";
import { ChangePassword } from "./pages/ChangePassword";
import { Projects } from "./pages/Projects";
import { ProjectPage } from "./pages/ProjectPage";
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

  const signOut = () => void session.close().finally(() => setWho("nobody"));
  if (who.must_change_password) return <ChangePassword who={who} onChanged={() => void session.get().then(setWho)} onSignOut={signOut} />;

  const route = parseRoute(path);
  const at = (...pages: string[]) => (pages.includes(route.page) ? "page" : undefined);
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
          <Link href="/runs" aria-current={at("runs")}>
            Runs
          </Link>
          <Link href="/projects" aria-current={at("projects", "project")}>
            Projects
          </Link>
          {who.is_owner && (
            <Link href="/admin/users" aria-current={at("admin")}>
              Administration
            </Link>
          )}
          <Link href="/api" aria-current={at("api")}>
            API
          </Link>
        </nav>
        <div className="who">
          <Link href="/account" title={`Signed in as ${who.email}`} aria-current={at("account")}>
            {who.name}
          </Link>
          <button type="button" className="quiet" onClick={signOut}>
            Sign out
          </button>
        </div>
      </header>
      <div id="content" tabIndex={-1}>
        {route.page === "runs" && <RunList />}
        {route.page === "test" && <RunList key={route.id} test={route.id} />}
        {route.page === "run" && <RunPage key={route.id} id={route.id} />}
        {route.page === "projects" && <Projects who={who} />}
        {route.page === "project" && <ProjectPage key={route.id} id={route.id} who={who} />}
        {route.page === "account" && <Account who={who} onChanged={() => void session.get().then(setWho)} />}
        {route.page === "admin" && (who.is_owner ? <Admin tab={route.tab} who={who} /> : <NotForYou />)}
        {route.page === "api" && <ApiSpec />}
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

function NotForYou() {
  return (
    <main className="page">
      <div className="panel first">
        <h2>This takes the owner of the server</h2>
        <p>
          <Link href="/runs">All runs</Link>
        </p>
      </div>
    </main>
  );
}
