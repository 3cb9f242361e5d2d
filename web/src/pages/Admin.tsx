import { useEffect } from "react";
import type { Session } from "../api/client";
import { Link } from "../router";
import { AdminAudit } from "./AdminAudit";
import { AdminTokens } from "./AdminTokens";
import { AdminUsers } from "./AdminUsers";

const tabs = [
  { id: "users", name: "Users" },
  { id: "tokens", name: "Service tokens" },
  { id: "audit", name: "Audit" },
] as const;

export function Admin({ tab, who }: { tab: (typeof tabs)[number]["id"]; who: Session }) {
  useEffect(() => {
    document.title = `${tabs.find((t) => t.id === tab)?.name} · Spate`;
  }, [tab]);
  return (
    <main className="page narrow">
      <div className="page-head">
        <h1>Administration</h1>
        <nav className="tabs" aria-label="Administration">
          {tabs.map((t) => (
            <Link key={t.id} href={`/admin/${t.id}`} aria-current={t.id === tab ? "page" : undefined}>
              {t.name}
            </Link>
          ))}
        </nav>
      </div>
      {tab === "users" && <AdminUsers who={who} />}
      {tab === "tokens" && <AdminTokens />}
      {tab === "audit" && <AdminAudit />}
    </main>
  );
}
