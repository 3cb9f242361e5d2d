import { useEffect, useState, type FormEvent } from "react";
import { addMyToken, changeName, myTokens, projects, removeMyToken } from "../api/accounts";
import type { Session } from "../api/client";
import { Notice } from "../components/Notice";
import { PasswordForm } from "../components/PasswordForm";
import { RoleList } from "../components/Roles";
import { Secret } from "../components/Secret";
import { TokenTable } from "../components/TokenTable";
import { useAction, useLoad } from "../hooks/useLoad";

export function Account({ who, onChanged }: { who: Session; onChanged: () => void }) {
  useEffect(() => {
    document.title = "Account · Spate";
  }, []);
  return (
    <main className="page narrow">
      <div className="page-head">
        <h1>Account</h1>
        <span className="count">{who.email}</span>
      </div>
      <Tokens />
      <div className="two">
        <Person who={who} onChanged={onChanged} />
        <Password />
      </div>
    </main>
  );
}

function Tokens() {
  const tokens = useLoad(myTokens);
  const action = useAction();
  const [name, setName] = useState("");
  const [fresh, setFresh] = useState<string | null>(null);

  const add = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => {
      const made = await addMyToken(name);
      setFresh(made.token ?? null);
      setName("");
      await tokens.reload();
    });
  };

  return (
    <section className="panel block" aria-labelledby="tokens-head">
      <div className="section-head">
        <h2 id="tokens-head">My tokens</h2>
        <span className="hint">for <code>spate cloud login</code>, <code>K6_CLOUD_TOKEN</code> and the API</span>
      </div>
      {(tokens.error ?? action.error) !== null && <Notice tone="bad">{tokens.error ?? action.error}</Notice>}
      {fresh !== null && <Secret title="Your new token." text={fresh} onDone={() => setFresh(null)} />}
      {tokens.value !== null && tokens.value.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="My tokens">
          <TokenTable
            tokens={tokens.value}
            onRevoke={(t) =>
              void action.run(async () => {
                await removeMyToken(t.id);
                await tokens.reload();
              })
            }
          />
        </div>
      )}
      {tokens.value?.length === 0 && <p className="empty">No tokens yet.</p>}
      <form className="inline" onSubmit={add}>
        <label htmlFor="token-name">A new one for</label>
        <input id="token-name" value={name} placeholder="my laptop" onChange={(e) => setName(e.target.value)} required maxLength={200} />
        <button type="submit" className="primary" disabled={action.busy}>
          Make a token
        </button>
      </form>
    </section>
  );
}

function Person({ who, onChanged }: { who: Session; onChanged: () => void }) {
  const known = useLoad(projects);
  const action = useAction();
  const [name, setName] = useState(who.name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => {
      await changeName(name);
      onChanged();
    });
  };
  return (
    <section className="panel block" aria-labelledby="person-head">
      <div className="section-head">
        <h2 id="person-head">You</h2>
      </div>
      <form className="stacked pad" onSubmit={submit}>
        <div>
          <label htmlFor="my-name">Name</label>
          <input id="my-name" value={name} onChange={(e) => setName(e.target.value)} required maxLength={200} />
        </div>
        <p className="form-error" role="alert">
          {action.error}
        </p>
        <button type="submit" disabled={action.busy || name === who.name}>
          Change the name
        </button>
        <div>
          <span className="label">Roles</span>
          <p>
            <RoleList roles={who.roles} projects={known.value ?? []} owner={who.is_owner} />
          </p>
        </div>
      </form>
    </section>
  );
}

function Password() {
  const [done, setDone] = useState(false);
  return (
    <section className="panel block" aria-labelledby="password-head">
      <div className="section-head">
        <h2 id="password-head">Password</h2>
      </div>
      <div className="pad">
        {done && <Notice tone="good">The password is changed; your other sessions have ended.</Notice>}
        <PasswordForm label="Change the password" onChanged={() => setDone(true)} />
      </div>
    </section>
  );
}
