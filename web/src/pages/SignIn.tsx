import { useEffect, useRef, useState, type FormEvent } from "react";
import { ApiError, session, type Session } from "../api/client";
import { Mark } from "../components/icons";

export function SignIn({ onSignedIn }: { onSignedIn: (s: Session) => void }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = "Sign in · Spate";
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const value = token.trim();
    if (!value) {
      setError("Enter the token first.");
      field.current?.focus();
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await session.open(value);
      onSignedIn(await session.get());
    } catch (cause) {
      setBusy(false);
      const refused = cause instanceof ApiError && cause.status === 401;
      setError(refused ? "That isn't this server's token." : cause instanceof Error ? cause.message : String(cause));
      field.current?.select();
    }
  };

  return (
    <main className="signin">
      <form className="signin-card" onSubmit={(e) => void submit(e)} noValidate>
        <div className="brand">
          <Mark />
          <span>Spate</span>
        </div>
        <h1>Sign in</h1>
        {/* A password manager files the token under a name. */}
        <input className="sr" type="text" name="username" autoComplete="username" value="spate" readOnly tabIndex={-1} aria-hidden="true" />
        <label htmlFor="token">Token</label>
        <input
          id="token"
          ref={field}
          type="password"
          name="token"
          autoComplete="current-password"
          autoFocus
          spellCheck={false}
          value={token}
          onChange={(e) => setToken(e.target.value)}
          aria-invalid={error !== null}
          aria-describedby="token-error token-help"
        />
        <p id="token-error" className="form-error" role="alert">
          {error}
        </p>
        <button type="submit" className="primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        <div id="token-help" className="help">
          <p>
            The server prints its token when it starts for the first time. Whoever starts it can have it written to a file at every start:
          </p>
          <code>spate server --token-file FILE</code>
        </div>
      </form>
    </main>
  );
}
