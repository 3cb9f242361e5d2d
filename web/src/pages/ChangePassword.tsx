import { useEffect } from "react";
import type { Session } from "../api/client";
import { Mark } from "../components/icons";
import { PasswordForm } from "../components/PasswordForm";

/** All that one can do after signing in with a one-time password. */
export function ChangePassword({ who, onChanged, onSignOut }: { who: Session; onChanged: () => void; onSignOut: () => void }) {
  useEffect(() => {
    document.title = "Choose a password · Spate";
  }, []);
  return (
    <main className="signin">
      <div className="signin-card">
        <div className="brand">
          <Mark />
          <span>Spate</span>
        </div>
        <h1>Choose a password</h1>
        <p className="dim">{who.email} has signed in with a one-time password. Choose one of your own, of at least 8 characters.</p>
        <PasswordForm label="Change the password" onChanged={onChanged} />
        <button type="button" className="quiet other" onClick={onSignOut}>
          Sign out
        </button>
      </div>
    </main>
  );
}
