import { useEffect, useRef, useState, type FormEvent } from "react";
import { ApiError, session, type Session } from "../api/client";
import { Mark } from "../components/icons";

type By = "password" | "token";

const refusals: Record<By, string> = {
  password: "E-mail or password is wrong.",
  token: "That isn't a token of this server.",
};

export function SignIn({ onSignedIn }: { onSignedIn: (s: Session) => void }) {
  const [by, setBy] = useState<By>("password");
  const [email, setEmail] = useState("");
  const [secret, setSecret] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const emailField = useRef<HTMLInputElement>(null);
  const secretField = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = "Sign in · Spate";
  }, []);

  const missing = (): string | null => {
    if (by === "token") return secret.trim() ? null : "Enter the token first.";
    if (!email.trim()) return "Enter your e-mail first.";
    return secret ? null : "Enter your password first.";
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const what = missing();
    if (what !== null) {
      setError(what);
      (by === "password" && !email.trim() ? emailField : secretField).current?.focus();
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await session.open(by === "token" ? { token: secret.trim() } : { email: email.trim(), password: secret });
      onSignedIn(await session.get());
    } catch (cause) {
      setBusy(false);
      const refused = cause instanceof ApiError && cause.status === 401;
      setError(refused ? refusals[by] : cause instanceof Error ? cause.message : String(cause));
      secretField.current?.select();
    }
  };

  const change = () => {
    setBy(by === "token" ? "password" : "token");
    setSecret("");
    setError(null);
  };

  return (
    <main className="signin">
      <form className="signin-card" onSubmit={(e) => void submit(e)} noValidate>
        <div className="brand">
          <Mark />
          <span>Spate</span>
        </div>
        <h1>Sign in</h1>
        {by === "password" ? (
          <>
            <label htmlFor="email">E-mail</label>
            <input id="email" ref={emailField} type="text" inputMode="email" name="username" autoComplete="username" autoFocus spellCheck={false} autoCapitalize="none" value={email} onChange={(e) => setEmail(e.target.value)} />
            <label htmlFor="password">Password</label>
          </>
        ) : (
          <>
            {/* A password manager files the token under a name. */}
            <input className="sr" type="text" name="username" autoComplete="username" value="spate" readOnly tabIndex={-1} aria-hidden="true" />
            <label htmlFor="token">Token</label>
          </>
        )}
        <input
          key={by}
          id={by}
          ref={secretField}
          type="password"
          name={by}
          autoComplete="current-password"
          autoFocus={by === "token"}
          spellCheck={false}
          value={secret}
          onChange={(e) => setSecret(e.target.value)}
          aria-invalid={error !== null}
          aria-describedby="signin-error"
        />
        <p id="signin-error" className="form-error" role="alert">
          {error}
        </p>
        <button type="submit" className="primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
        <button type="button" className="quiet other" onClick={change}>
          {by === "password" ? "Sign in with a token" : "Sign in with e-mail and password"}
        </button>
        <div className="help">
          {by === "password" ? (
            <p>
              The server prints the owner's password, to be changed at once, when it starts for the first time. Whoever has the machine can make another one:
            </p>
          ) : (
            <p>The server prints a token when it starts for the first time. Whoever starts it can have one written to a file at every start:</p>
          )}
          <code>{by === "password" ? "spate server user passwd --email EMAIL --one-time" : "spate server --token-file FILE"}</code>
        </div>
      </form>
    </main>
  );
}
